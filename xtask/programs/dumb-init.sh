# needs: dumb-init
# notices: receives SIGCHLD itself

dumb-init sh -c 'exit 3'; echo $?; dumb-init sh -c 'kill -9 $$'; echo $?
dumb-init -r 15:10 sh -c 'trap "exit 9" USR1; kill -TERM $PPID; while :; do sleep 0.02; done' 2>/dev/null; echo $?
for i in 1 2 3 4 5; do dumb-init sh -c "sleep 0.0$i & exit $i"; echo $?; done
