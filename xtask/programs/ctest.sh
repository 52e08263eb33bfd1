# needs: ctest

cat > CTestTestfile.cmake <<'END'
add_test(a sh -c "exit 0")
add_test(b sh -c "exit 3")
add_test(c sleep 60)
set_tests_properties(c PROPERTIES TIMEOUT 1)
add_test(d sh -c "kill -SEGV $$")
add_test(e sh -c "echo hello")
set_tests_properties(e PROPERTIES PASS_REGULAR_EXPRESSION "hello")
END
for i in 1 2 3 4 5 6 7 8; do echo "add_test(f$i sh -c \"sleep 0.0$i; exit 0\")"; done >> CTestTestfile.cmake
ulimit -c 0; ctest -j4 2>&1 | grep -oE '(Failed|Passed|\*\*\*[A-Za-z]*|[0-9]+% tests.*)' | sort | uniq -c; ctest -R 'f.*' --quiet; echo $?
