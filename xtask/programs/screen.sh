# needs: screen
# notices: closes all descriptors

SCREENDIR=$PWD/d; export SCREENDIR; mkdir -m 700 d; screen -dmS x sh -c 'echo in > f'; i=0; until test -s f || test $i -gt 400; do sleep 0.02; i=$((i+1)); done; cat f
