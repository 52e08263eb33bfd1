# needs: apache2 curl

m=/usr/lib/apache2/modules
cat > a.conf <<END
ServerRoot $PWD
ServerName h
PidFile $PWD/pid
DefaultRuntimeDir $PWD
ErrorLog $PWD/log
LogLevel notice
User nobody
Group nogroup
LoadModule mpm_prefork_module $m/mod_mpm_prefork.so
LoadModule authz_core_module $m/mod_authz_core.so
LoadModule cgi_module $m/mod_cgi.so
LoadModule alias_module $m/mod_alias.so
Listen 127.0.0.1:@PORT@
StartServers 2
MinSpareServers 2
MaxSpareServers 3
ScriptAlias /cgi/ $PWD/cgi/
<Directory $PWD/cgi>
Require all granted
</Directory>
END
port=$((20000 + $$ % 20000)); sed -i "s/@PORT@/$port/" a.conf; chmod 755 $PWD; mkdir cgi
printf '#!/bin/sh\necho Content-Type: text/plain; echo; sh -c "exit 4"; echo hello $?\n' > cgi/x; chmod 755 cgi/x
apache2 -f $PWD/a.conf -k start 2>/dev/null; i=0; until test -s pid || test $i -gt 300; do sleep 0.02; i=$((i+1)); done
p=$(cat pid); i=0; until curl -sf http://127.0.0.1:$port/cgi/x || test $i -gt 100; do sleep 0.05; i=$((i+1)); done
w=$(pgrep -P $p | head -1); kill -SEGV $w; i=0; until grep -q 'exit signal Segmentation' log || test $i -gt 200; do sleep 0.02; i=$((i+1)); done; grep -c 'exit signal Segmentation' log
curl -sf http://127.0.0.1:$port/cgi/x; apache2 -f $PWD/a.conf -k graceful-stop; i=0; while kill -0 $p 2>/dev/null && test $i -lt 300; do sleep 0.02; i=$((i+1)); done; grep -c 'shutting down' log
