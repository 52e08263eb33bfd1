# needs: bash
# notices: handler reads what the thread changes

cat > job.sh <<'END'
echo a | tr a b | (cat; exit 3); echo "${PIPESTATUS[@]}"
shopt -s lastpipe; echo x | read y; echo $y
diff <(echo 1; exit 4) <(echo 2); echo $?
(kill -9 $BASHPID); echo $?
for i in 1 2 3 4 5; do (exit $i); echo $?; done
x=$(exit 6); echo $?
END
bash job.sh 2>/dev/null
