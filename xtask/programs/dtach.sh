# needs: dtach

dtach -n $PWD/s sh -c 'echo in > f; exit 3'; i=0; until test -s f || test $i -gt 300; do sleep 0.02; i=$((i+1)); done; cat f
i=0; while test -S s && test $i -lt 300; do sleep 0.02; i=$((i+1)); done; test -S s; echo $?
