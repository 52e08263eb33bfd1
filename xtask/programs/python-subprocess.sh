# needs: python3

cat > job.py <<'END'
import subprocess, os, sys, signal
for i in range(5): print(subprocess.run(['sh', '-c', f'exit {i}']).returncode)
print(subprocess.run(['sh', '-c', 'kill -9 $$']).returncode)
ps = [subprocess.Popen(['sh', '-c', f'exit {i}']) for i in range(20)]
print([p.wait() for p in ps])
try: subprocess.run(['sleep', '30'], timeout=0.2)
except subprocess.TimeoutExpired: print('timeout')
print(subprocess.check_output('echo out; exit 0', shell=True), os.system('exit 3') >> 8)
print(os.popen('echo popen').read())
pid = os.posix_spawn('/bin/sh', ['sh', '-c', 'exit 9'], os.environ); print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
python3 job.py
