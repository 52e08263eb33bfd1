# needs: ssh-agent

ssh-agent sh -c 'test -S "$SSH_AUTH_SOCK" && echo socket; exit 4'; echo $?
