# needs: script
# notices: receives SIGCHLD itself

script -qec 'exit 3' /dev/null; echo $?; script -qec 'echo hello; tty >/dev/null && echo tty' /dev/null
