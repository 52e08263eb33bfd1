# needs: bash
# notices: handler reads what the thread changes

cat > job.sh <<'END'
for i in 1 2 3 4 5 6 7 8; do (exit $i) & p="$p $!"; done
for q in $p; do wait $q; echo $?; done
for i in 1 2 3; do (exit $i) & done
for i in 1 2 3; do wait -n; s=$((s + $?)); done; echo $s
coproc cat; echo hello >&${COPROC[1]}; read a <&${COPROC[0]}; echo $a
eval "exec ${COPROC[1]}>&-"; wait; echo $?
END
bash job.sh 2>/dev/null
