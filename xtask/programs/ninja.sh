# needs: ninja

printf 'rule t\n  command = echo x > $out\nbuild a: t\nbuild b: t\nbuild c: t\nrule bad\n  command = exit 3\nbuild d: bad\ndefault a b c\n' > build.ninja; ninja --quiet; ls a b c; ninja --quiet d >/dev/null; echo $?
