# needs: m4

echo 'syscmd(`exit 3')sysval esyscmd(`echo hello')' | m4
