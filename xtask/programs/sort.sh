# needs: sort gzip

seq 30000 | sort -S 64K --compress-program=gzip -rn | head -1; echo $?
