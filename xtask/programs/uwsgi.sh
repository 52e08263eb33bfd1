# needs: uwsgi

uwsgi --master --processes 2 --socket $PWD/s --pidfile $PWD/pid --logto $PWD/log --die-on-term & p=$!
i=0; until test "$(grep -c 'spawned uWSGI worker' log 2>/dev/null)" = 2 || test $i -gt 300; do sleep 0.02; i=$((i+1)); done
w=$(sed -n 's/.*spawned uWSGI worker 1 (pid: \([0-9]*\).*/\1/p' log); kill -9 $w
i=0; until grep -q 'Respawned uWSGI worker 1' log || test $i -gt 300; do sleep 0.02; i=$((i+1)); done; grep -c 'Respawned uWSGI worker 1' log
kill -TERM $p; wait $p; echo $?
