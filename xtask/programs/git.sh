# needs: git

export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z
git init -q -b main r 2>&1; cd r; git config user.name n; git config user.email e@example.org
echo 1 > f; git add f; printf '#!/bin/sh\nexit 0\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit
git commit -qm one; git log --format=%H; git clone -q . ../c; git -C ../c log --oneline; git gc -q; git fsck 2>/dev/null
printf '#!/bin/sh\nexit 1\n' > .git/hooks/pre-commit; echo 2 > f; git commit -qam two; echo $?
git config alias.x '!exit 5'; git x; echo $?; git bundle create -q b main; git -C ../c pull -q ../r/b main; echo $?
