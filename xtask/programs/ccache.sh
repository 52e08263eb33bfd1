# needs: ccache gcc

export CCACHE_DIR=$PWD/c; echo 'int main(void) { return 3; }' > a.c
for i in 1 2; do ccache gcc -c a.c -o a.o; echo $?; done; gcc a.o -o a; ./a; echo $?
echo 'int x' > b.c; ccache gcc -c b.c 2>/dev/null; echo $?
