# needs: socat

socat -u EXEC:'echo hello' STDOUT; echo hi | socat STDIO EXEC:cat; socat -u EXEC:'echo tty',pty,raw STDOUT
socat -t 5 EXEC:'sh -c "read a; echo got \$a; exit 3"' SYSTEM:'echo ask; read b; echo \$b >&2' 2>&1 | grep -o 'got ask'
i=0; socat UNIX-LISTEN:s,fork EXEC:cat & l=$!; until test -S s || test $i -gt 300; do sleep 0.02; i=$((i+1)); done
for i in 1 2 3 4; do echo $i | socat -t 5 STDIO UNIX-CONNECT:s; done; kill $l; wait $l 2>/dev/null; echo $?
