# needs: dash

dash -c 'for i in 1 2 3 4 5 6 7 8; do (exit $i) & p="$p $!"; done; for q in $p; do wait $q; echo $?; done'
