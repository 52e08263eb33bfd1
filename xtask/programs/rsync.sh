# needs: rsync

mkdir a; seq 100 > a/f; rsync -a a/ b; cmp a/f b/f; echo $?; rsync -a -e 'sh -c "exit 9"' a/ host:b 2>/dev/null; echo $?
