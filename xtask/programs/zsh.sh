# needs: zsh

cat > job.zsh <<'END'
for i in 1 2 3 4 5; do (exit $i) & p=($p $!); done; for q in $p; do wait $q; echo $?; done
echo a | tr a b | (cat; exit 3); echo $pipestatus; diff =(echo 1) <(echo 2) >/dev/null; echo $?
TRAPCHLD() { n=$((n+1)) }; /bin/true; (exit 4); echo $?; [[ $n -ge 1 ]] && echo trapped
END
zsh -f job.zsh
