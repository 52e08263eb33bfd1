# needs: php

php -r 'for ($i = 0; $i < 5; $i++) { system("exit $i", $c); echo "$c\n"; } $p = proc_open("exit 3", [], $x); echo proc_close($p), "\n"; if (function_exists("pcntl_fork")) { $q = pcntl_fork(); if (!$q) { posix_kill(getmypid(), 9); } pcntl_waitpid($q, $s); echo pcntl_wtermsig($s), "\n"; }'
