# needs: dash

for i in 1 2 3 4 5; do (exit $i); echo $?; done
dash -c 'echo a | tr a b | tr b c; x=$(dash -c "exit 3"); echo $?; kill -TERM $$' ; echo $?
