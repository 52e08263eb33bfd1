# needs: monit
# notices: closes all descriptors

cat > rc <<END
set daemon 1
set pidfile $PWD/pid
set idfile $PWD/id
set statefile $PWD/state
set logfile $PWD/log
check program five with path "/bin/sh -c 'exit 5'"
  if status != 0 then exec "/bin/sh -c 'echo told >> $PWD/told'"
END
chmod 600 rc; monit -I -c rc >/dev/null 2>&1 & p=$!
i=0; until test -s told || test $i -gt 300; do sleep 0.02; i=$((i+1)); done; head -1 told; kill $p; wait $p; echo $?
grep -c "'five' status failed (5)" log | sed 's/^[1-9].*/seen/'
