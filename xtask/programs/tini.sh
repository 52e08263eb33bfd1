# needs: tini
# notices: receives SIGCHLD itself

tini -s -- sh -c 'exit 3'; echo $?; tini -s -- sh -c 'sleep 0.1 & kill -9 $$'; echo $?
tini -s -- sh -c '(sh -c "sleep 0.05; exit 7" &); sleep 0.2; exit 4'; echo $?
tini -s -- sh -c 'trap "exit 9" TERM; kill -TERM $PPID; while :; do sleep 0.02; done' 2>/dev/null; echo $?
