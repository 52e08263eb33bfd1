# needs: xargs

seq 40 | xargs -P 8 -n 3 sh -c 'exit 0'; echo $?; seq 5 | xargs -P 3 -n 1 sh -c 'exit 1'; echo $?; echo 1 | xargs sh -c 'kill -9 $$' 2>/dev/null; echo $?
