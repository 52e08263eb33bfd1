# needs: expect

expect -c 'log_user 0; spawn sh -c "read a; exit \$a"; send "5\r"; expect eof; puts [lindex [wait] 3]; spawn cat; send "hi\r"; expect hi; close; puts [llength [wait]]'
