# needs: watch

TERM=dumb watch -t -n 0.1 -g 'echo x >> f; test $(wc -l < f) -gt 3; echo $?' >/dev/null; echo $?
