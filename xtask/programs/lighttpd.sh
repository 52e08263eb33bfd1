# needs: lighttpd curl

mkdir w; printf '#!/bin/sh\necho "Content-Type: text/plain"; echo; echo "hello $QUERY_STRING"; exit 0\n' > w/a.cgi
printf '#!/bin/sh\nexit 3\n' > w/b.cgi; chmod +x w/*.cgi
cat > l.conf <<END
server.modules = ("mod_cgi")
server.document-root = "$PWD/w"
server.bind = "$PWD/s"
server.pid-file = "$PWD/pid"
server.errorlog = "$PWD/e"
cgi.assign = ( ".cgi" => "" )
END
lighttpd -D -f l.conf 2>/dev/null & l=$!
i=0; until test -S s || test $i -gt 300; do sleep 0.02; i=$((i+1)); done
for q in 1 2 3 4 5; do curl -s --unix-socket s "http://h/a.cgi?$q"; done
curl -s -o /dev/null -w '%{http_code}\n' --unix-socket s http://h/b.cgi
for q in 1 2 3 4 5 6 7 8; do curl -s --unix-socket s "http://h/a.cgi?$q" > o$q & p="$p $!"; done; wait $p; cat o*
kill -TERM $l; wait $l; test -S s; echo $?
