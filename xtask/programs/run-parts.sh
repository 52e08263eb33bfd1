# needs: run-parts

mkdir d; printf '#!/bin/sh\necho one\n' > d/1; printf '#!/bin/sh\nexit 2\n' > d/2; chmod +x d/*; run-parts d 2>/dev/null; echo $?; run-parts --report d 2>/dev/null | head -3
