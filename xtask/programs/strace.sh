# needs: strace

strace -f -o log sh -c '(exit 3); exit 5'; echo $?; strace -o log sh -c 'kill -9 $$' 2>/dev/null; echo $?
