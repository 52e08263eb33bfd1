# needs: git

export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z
git init -q -b main --bare b; git clone -q file://$PWD/b r 2>/dev/null; cd r; git config user.name n; git config user.email e@example.org; git checkout -qb main
for h in pre-receive update post-receive post-update; do printf '#!/bin/sh\ncat >/dev/null; echo %s >> %s/log\n' $h $PWD/.. > ../b/hooks/$h; chmod +x ../b/hooks/$h; done
printf '#!/bin/sh\necho pre-push >> %s/log\n' $PWD/.. > .git/hooks/pre-push; chmod +x .git/hooks/pre-push
for i in 1 2 3; do echo $i > f$i; git add .; git commit -qm $i; git push -q origin main; echo $?; done; cat ../log
printf '#!/bin/sh\nexit 1\n' > ../b/hooks/pre-receive; echo 4 > f; git add f; git commit -qm 4; git push -q origin main 2>/dev/null; echo $?
git clone -q --depth 1 file://$PWD/../b ../d; git -C ../d log --format=%H; git -C ../d fetch -q --unshallow; git -C ../d rev-list --count HEAD
git rebase -q -x 'test -f f1' HEAD~2 2>&1 | cat; git bisect start HEAD HEAD~3 >/dev/null; git bisect run sh -c 'test ! -f f3' | grep -c 'first bad'; git bisect reset -q 2>/dev/null || git bisect reset >/dev/null 2>&1
git submodule -q add file://$PWD/../d s 2>/dev/null; echo $?; git -c protocol.file.allow=always submodule -q add file://$PWD/../d t 2>/dev/null; git -c protocol.file.allow=always submodule foreach -q 'echo $name'
