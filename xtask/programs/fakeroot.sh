# needs: fakeroot

fakeroot sh -c 'touch f; chown 1:1 f; stat -c %u f; exit 3'; echo $?
