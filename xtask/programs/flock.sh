# needs: flock

flock lock sh -c 'exit 4'; echo $?; (flock lock sh -c 'echo 1'); flock -n lock true; echo $?
