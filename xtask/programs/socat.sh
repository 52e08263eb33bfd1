# needs: socat

socat -u EXEC:"echo hello" STDOUT; echo hi | socat STDIO EXEC:cat; socat -u EXEC:"echo tty",pty,raw STDOUT
