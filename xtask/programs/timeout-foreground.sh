# needs: timeout

timeout --foreground 20 sh -c 'echo a; exit 5'; echo $?; timeout --preserve-status 0.2 sleep 30; echo $?
