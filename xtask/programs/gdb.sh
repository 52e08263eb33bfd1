# needs: gdb

echo 'int main(void){return 3;}' > a.c; gcc a.c -o a; gdb -nx -batch -ex run -ex 'print $_exitcode' ./a 2>/dev/null | tail -1; gdb -nx -batch -ex 'shell exit 4' -ex 'print $_shell_exitcode' | tail -1
