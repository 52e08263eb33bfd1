# needs: socat

socat -u EXEC:'echo hello' STDOUT; echo hi | socat STDIO EXEC:cat; socat -u SYSTEM:'exit 3' STDOUT; echo $?; socat -u EXEC:'echo tty',pty,raw STDOUT
