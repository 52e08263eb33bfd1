# needs: gcc

echo 'int main(void){return 3;}' > a.c; gcc a.c -o a; ./a; echo $?; gcc -pipe a.c -o b; ./b; echo $?; echo 'int main(' > c.c; gcc c.c 2>/dev/null; echo $?
