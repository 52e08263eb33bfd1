# needs: supervisord supervisorctl

cat > c <<END
[supervisord]
nodaemon=true
logfile=$PWD/log
pidfile=$PWD/pid
childlogdir=$PWD
user=root
[unix_http_server]
file=$PWD/s
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://$PWD/s
[program:a]
command=sleep 60
startsecs=0
autostart=false
[program:b]
command=sh -c 'exit 7'
startsecs=0
autorestart=false
exitcodes=7
END
supervisord -c c >/dev/null 2>&1 & s=$!
i=0; until test -S s || test $i -gt 300; do sleep 0.02; i=$((i+1)); done
i=0; until grep -q 'exited: b (exit status 7; expected)' log || test $i -gt 300; do sleep 0.02; i=$((i+1)); done; grep -c 'exited: b (exit status 7; expected)' log
supervisorctl -c c start a; kill -9 $(supervisorctl -c c pid a); i=0; until grep -q 'exited: a (terminated by SIGKILL; not expected)' log || test $i -gt 300; do sleep 0.02; i=$((i+1)); done; grep -c 'SIGKILL; not exp' log
supervisorctl -c c stop a; kill $s; wait $s; echo $?; grep -c 'stopped: a' log
