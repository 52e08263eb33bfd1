# needs: python3

cat > job.py <<'END'
import signal, os, select
r, w = os.pipe(); os.set_blocking(w, False); signal.set_wakeup_fd(w)
n = 0
def child(*_):
    global n
    while True:
        try: p, s = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError: return
        if p == 0: return
        n += 1
signal.signal(signal.SIGCHLD, child)
for i in range(10):
    if os.fork() == 0: os._exit(0)
while n < 10: select.select([r], [], [], 10); os.read(r, 100)
print(n)
END
python3 job.py
