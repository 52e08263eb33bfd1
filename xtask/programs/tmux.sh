# needs: tmux bash

tmux -S s -f /dev/null new-session -d 'sh -c "echo in > f; exit 3"' \; set -g remain-on-exit on; i=0; until test -s f || test $i -gt 400; do sleep 0.02; i=$((i+1)); done; cat f
tmux -S s run-shell 'exit 0'; echo $?; tmux -S s if-shell 'exit 1' 'display -p yes' 'display -p no'; tmux -S s kill-server; echo $?
