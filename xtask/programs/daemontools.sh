# needs: supervise svc svok

mkdir s; printf '#!/bin/sh\necho run >> ../runs; test $(wc -l < ../runs) = 1 && exit 1; trap "exit 0" TERM; exec 2>/dev/null; while :; do sleep 0.02; done\n' > s/run; chmod +x s/run
supervise s & p=$!; i=0; until test "$(cat runs 2>/dev/null | wc -l)" = 2 || test $i -gt 300; do sleep 0.02; i=$((i+1)); done; sleep 0.1; svok s; echo $?; svc -dx s; wait $p; echo $?; cat runs
