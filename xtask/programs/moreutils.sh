# needs: chronic ifne mispipe pee

chronic sh -c 'echo out; exit 3'; echo $?
echo a | ifne sh -c 'cat; exit 4'; echo $?
mispipe 'sh -c "echo b; exit 5"' 'cat'; echo $?
echo c | pee 'cat' 'tr c d' | sort; echo $?
