# needs: vim

printf 'b\na\n' > f; vim -Nu NONE -es f -c '%!sort' -c 'wq'; cat f; vim -Nu NONE -es -c 'call writefile([system("echo hello; exit 3"), string(v:shell_error)], "g")' -c 'qa!'; cat g
vim -Nu NONE -es -c 'let j = job_start(["sh", "-c", "exit 4"])' -c 'while job_status(j) ==# "run" | sleep 10m | endwhile' -c 'call writefile([string(job_info(j).exitval)], "h")' -c 'qa!'; cat h
