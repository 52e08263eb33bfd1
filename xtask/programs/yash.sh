# needs: yash

cat > job.sh <<'END'
for i in 1 2 3 4 5; do sh -c "exit $i" & p="$p $!"; done; for q in $(echo $p); do wait $q; echo $?; done
echo a | tr a b | sh -c 'cat; exit 3'; echo $?; x=$(sh -c 'echo x; exit 6'); echo $? $x
trap 'n=$((n+1))' CHLD; for i in 1 2 3; do sh -c "exit $i" & wait $!; echo $?; done; trap - CHLD; cat <(echo sub)
END
yash job.sh 2>/dev/null
