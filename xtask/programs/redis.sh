# needs: redis-server redis-cli

redis-server --port 0 --unixsocket $PWD/s --dir $PWD --save '' --enable-debug-command yes --logfile $PWD/log --pidfile $PWD/pid & r=$!
c() { redis-cli -s $PWD/s "$@"; }
i=0; until test "$(c ping 2>/dev/null)" = PONG || test $i -gt 300; do sleep 0.02; i=$((i+1)); done
c debug populate 1000; c set a 1
for n in 1 2 3; do c bgsave; i=0; while c info persistence | grep -q '^rdb_bgsave_in_progress:1' && test $i -lt 300; do sleep 0.02; i=$((i+1)); done; c info persistence | grep rdb_last_bgsave_status; done
c bgrewriteaof; i=0; while c info persistence | grep -qE '^aof_rewrite_(in_progress|scheduled):1' && test $i -lt 300; do sleep 0.02; i=$((i+1)); done; c info persistence | grep aof_last_bgrewrite_status
c shutdown nosave; wait $r; echo $?; grep -c 'Background saving terminated with success' log
