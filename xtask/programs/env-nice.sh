# needs: env nice nohup setsid

env A=1 nice -n 1 nohup sh -c 'exit 6'; echo $?; setsid -w sh -c 'exit 7'; echo $?
