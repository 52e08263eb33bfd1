# needs: catatonit

catatonit -- sh -c 'sh -c "exit 3"; echo $?; (sleep 0.02 &); exit 7'; echo $?
catatonit -- sh -c 'kill -9 $$'; echo $?
