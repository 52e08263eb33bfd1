# needs: runsv sv

mkdir s; cat > s/run <<'END'
#!/bin/sh
echo run >> ../runs; test $(wc -l < ../runs) -ge 3 || exit 1; trap 'exit 0' TERM; exec 2>/dev/null; while :; do sleep 0.02; done
END
cat > s/finish <<'END'
#!/bin/sh
echo "finish $1 $2" >> ../finishes
END
chmod +x s/run s/finish; runsv s & r=$!
i=0; until test -f runs && test "$(wc -l < runs)" -ge 3 || test $i -gt 300; do sleep 0.02; i=$((i+1)); done
sleep 0.1; sv -w 5 exit $PWD/s >/dev/null; echo $?; wait $r; echo $?; wc -l < runs; cat finishes
