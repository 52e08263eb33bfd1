# needs: cmake

cat > s.cmake <<'END'
foreach(i RANGE 5)
  execute_process(COMMAND sh -c "exit ${i}" RESULT_VARIABLE r)
  message("${r}")
endforeach()
execute_process(COMMAND echo abc COMMAND tr a-z A-Z COMMAND sh -c "cat; exit 4" RESULTS_VARIABLE rs OUTPUT_VARIABLE o)
message("${rs} ${o}")
execute_process(COMMAND sleep 60 TIMEOUT 0.2 RESULT_VARIABLE r)
message("${r}")
execute_process(COMMAND sh -c "kill -9 $$" RESULT_VARIABLE r)
message("${r}")
END
cmake -P s.cmake 2>&1; cmake -E time true >/dev/null; echo $?
