# needs: python3
# notices: receives SIGCHLD itself

cat > job.py <<'END'
import signal, os
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
for i in range(5):
    p = os.fork()
    if p == 0: os._exit(i)
    s = signal.sigtimedwait([signal.SIGCHLD], 20)
    print(s is not None, os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]))
END
python3 job.py
