# needs: split gzip

seq 1000 | split -l 100 --filter='gzip > $FILE.gz'; ls; split -l 10 --filter='exit 3' /etc/passwd 2>/dev/null; echo $?
