# needs: tar gzip

mkdir d; seq 2000 > d/a; tar czf t.tgz d; tar tzf t.tgz; tar xzf t.tgz -O d/a | tail -1; tar cf - d | gzip | tar xzf - --to-command='wc -l'; tar xzf /dev/null 2>/dev/null; echo $?
