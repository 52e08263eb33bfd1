# needs: dash

dash -c 'trap "echo usr1" USR1; (kill -USR1 $$) & wait; wait; echo $?; trap "echo bye" EXIT; (exit 7)'
