# needs: proot

proot -r / sh -c 'sh -c "exit 3"; echo $?; echo a | tr a b; sleep 0.02 & wait $!; exit 7'; echo $?
