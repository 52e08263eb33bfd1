# needs: mksh

mksh -c 'for i in 1 2 3 4 5; do (exit $i) & p="$p $!"; done; for q in $p; do wait $q; echo $?; done; echo a | cat | (exit 3); echo $?; print -p x 2>/dev/null; cat |& print -p hello; read -p a; echo $a'
