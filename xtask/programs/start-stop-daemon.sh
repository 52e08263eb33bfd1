# needs: start-stop-daemon

start-stop-daemon --start --background --make-pidfile --pidfile $PWD/p --exec /bin/sleep -- 60; start-stop-daemon --status --pidfile $PWD/p; echo $?
start-stop-daemon --stop --retry TERM/10/KILL/5 --pidfile $PWD/p --quiet; echo $?; start-stop-daemon --status --pidfile $PWD/p; echo $?
