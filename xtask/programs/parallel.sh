# needs: parallel
# notices: handler needs its thread

seq 9 | parallel --will-cite -k -j4 'echo {}; exit 0'; seq 3 | parallel --will-cite -j2 'exit 1'; echo $?
