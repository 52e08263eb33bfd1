# needs: nginx

mkdir logs; cat > nginx.conf <<END
worker_processes 2; pid $PWD/pid; error_log $PWD/logs/e notice; events { } http { access_log off; server { listen unix:$PWD/s; location / { return 200 hello; } } }
END
nginx -p $PWD -c $PWD/nginx.conf 2>/dev/null; i=0; until test -s pid -a -S s || test $i -gt 400; do sleep 0.02; i=$((i+1)); done
i=0; until w=$(pgrep -P $(cat pid)) || test $i -gt 400; do sleep 0.02; i=$((i+1)); done; w=$(echo $w | cut -d" " -f1); kill -9 $w; i=0; until grep -q 'exited on signal 9' logs/e || test $i -gt 400; do sleep 0.02; i=$((i+1)); done; grep -c 'exited on signal 9' logs/e
p=$(cat pid); nginx -p $PWD -c $PWD/nginx.conf -s quit 2>/dev/null; i=0; while kill -0 $p 2>/dev/null && test $i -lt 400; do sleep 0.02; i=$((i+1)); done; grep -c 'exit$' logs/e
