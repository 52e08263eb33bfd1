# needs: haproxy curl

cat > c <<END
global
  stats socket $PWD/a
  master-worker
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend f
  bind unix@$PWD/s
  http-request return status 200 content-type text/plain string "hello\n"
END
haproxy -W -f c -p pid 2>/dev/null & h=$!; ask() { i=0; until curl -s --unix-socket s http://h/ > o || test $i -gt 300; do sleep 0.02; i=$((i+1)); done; cat o; }
ask; kill -USR2 $h; sleep 0.5; ask; kill -TERM $h; wait $h; echo $?
