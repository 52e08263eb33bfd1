# needs: entr

echo 1 > f; (sleep 0.3; echo 2 > f; sleep 0.3; echo 3 > f; sleep 0.3; echo end > f) & 
echo f | entr -n -z sh -c 'exit 4'; echo $?
ls f | entr -n -r sh -c 'echo run >> runs; test $(cat f) = end && kill -INT $PPID; exec sleep 60' >/dev/null 2>&1 & e=$!
wait $e; wait; test $(wc -l < runs) -ge 1; echo $?
