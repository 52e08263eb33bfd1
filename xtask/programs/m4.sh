# needs: m4

cat > a.m4 <<'END'
syscmd(`exit 3')sysval esyscmd(`echo hello')syscmd(`kill -9 $$')sysval
END
m4 a.m4; (exit 2); echo $?
