# needs: firejail
# notices: ends its only thread

firejail --quiet --noprofile sh -c 'sh -c "exit 3"; echo $?; sleep 0.02 & wait $!; exit 7'; echo $?
