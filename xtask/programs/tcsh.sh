# needs: tcsh
# notices: closes all descriptors

cat > job.csh <<'END'
foreach i (1 2 3 4 5)
  sh -c "exit $i"
  echo $status
end
echo a | tr a b | cat
echo `echo back`
sh -c 'exit 6' &
wait
( sh -c 'exit 7' )
echo $status
END
tcsh -f job.csh 2>&1 | grep -v '^\['
