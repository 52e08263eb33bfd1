# needs: busybox

busybox sh -c 'for i in 1 2 3; do (exit $i) & wait $!; echo $?; done; echo a | busybox tr a b; busybox timeout 0.2 sleep 30; echo $?; seq 9 | busybox xargs -P3 -n1 true; echo $?'
