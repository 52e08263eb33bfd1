# needs: fish

fish --no-config -c 'for i in 1 2 3; sh -c "exit $i"; echo $status; end; sh -c "exit 4" | sh -c "exit 5"; echo $pipestatus; sleep 0.1 &; wait; echo done'
