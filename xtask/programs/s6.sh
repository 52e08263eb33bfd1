# needs: s6-svscan s6-svc s6-svwait
# notices: receives SIGCHLD itself

mkdir -p s/a s/b; printf '#!/bin/sh\ntrap "exit 0" TERM; echo up >> ../../a.log; exec 2>/dev/null; while :; do sleep 0.02; done\n' > s/a/run
printf '#!/bin/sh\nexit 3\n' > s/b/run; printf '#!/bin/sh\necho "finish $1 $2" >> ../../b.log; test $(wc -l < ../../b.log) -ge 2 && exit 125; exit 0\n' > s/b/finish; chmod +x s/*/*
s6-svscan -t 0 s 2>/dev/null & p=$!
i=0; until s6-svwait -t 100 -u s/a 2>/dev/null || test $i -gt 300; do sleep 0.02; i=$((i+1)); done; echo up
i=0; until test "$(cat b.log 2>/dev/null | wc -l)" = 2 || test $i -gt 300; do sleep 0.02; i=$((i+1)); done; cat b.log
s6-svc -r s/a; i=0; until test "$(wc -l < a.log)" = 2 || test $i -gt 300; do sleep 0.02; i=$((i+1)); done; cat a.log
s6-svscanctl -t s; wait $p; echo $?
