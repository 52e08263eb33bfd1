# needs: timeout

timeout 20 sh -c 'exit 5'; echo $?; timeout 0.2 sleep 30; echo $?; timeout -s KILL 0.2 sleep 30; echo $?
