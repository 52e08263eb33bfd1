# needs: inetd socat

port=$((20000 + $$ % 20000)); printf '#!/bin/sh\nread x; sh -c "exit 4"; echo got $x $?; exit 3\n' > job; chmod 755 job; echo "$port stream tcp nowait root $PWD/job job" > c
inetd -i $PWD/c & p=$!
i=0; until echo a | socat - TCP:127.0.0.1:$port 2>/dev/null || test $i -gt 100; do sleep 0.05; i=$((i+1)); done
for x in b c d e; do echo $x | socat - TCP:127.0.0.1:$port; done
i=0; while pgrep -P $p > /dev/null && test $i -lt 100; do sleep 0.02; i=$((i+1)); done; pgrep -c -P $p; kill $p; wait $p; echo $?
