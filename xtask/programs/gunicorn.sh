# needs: gunicorn curl

cat > app.py <<'END'
import subprocess
def app(environ, start):
    code = subprocess.run(["sh", "-c", "exit 5"]).returncode
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"hello %d\n" % code]
END
gunicorn -w 2 --graceful-timeout 2 -b unix:$PWD/s --worker-tmp-dir $PWD --log-file log -p pid app:app & g=$!
i=0; until test "$(grep -c 'Booting worker' log 2>/dev/null)" = 2 || test $i -gt 300; do sleep 0.02; i=$((i+1)); done
curl -s --unix-socket s http://h/; kill -9 $(pgrep -P $g | head -1)
i=0; until test "$(grep -c 'Booting worker' log)" = 3 || test $i -gt 300; do sleep 0.02; i=$((i+1)); done; grep -c 'Booting worker' log
curl -s --unix-socket s http://h/; kill -TERM $g; wait $g; echo $?; grep -c 'Shutting down: Master' log
