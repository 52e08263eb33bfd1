# needs: ed

printf '!echo hello\nr !echo read\n,p\nw !wc -l\nQ\n' | ed -s
