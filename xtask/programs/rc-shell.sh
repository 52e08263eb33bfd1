# needs: rc

cat > job.rc <<'END'
for (i in 1 2 3) { sh -c 'exit '^$i; echo $status }
echo a | tr a b | sh -c 'cat; exit 3'; echo $status
sh -c 'exit 6' & wait $apid; echo $status; cat <{echo sub}; echo `{echo back}
END
rc job.rc 2>&1
