# needs: bwrap

bwrap --dev-bind / / --unshare-pid --die-with-parent sh -c 'sh -c "exit 3"; echo $?; sleep 0.02 & wait $!; echo $?; exit 7'; echo $?
bwrap --dev-bind / / --unshare-pid sh -c 'sleep 0.02 & kill -9 $!; wait $! 2>/dev/null; echo $?; kill -TERM $$'; echo $?
bwrap --dev-bind / / --unshare-net --as-pid-1 --unshare-pid sh -c 'for i in 1 2 3; do sh -c "exit $i"; echo $?; done'; echo $?
