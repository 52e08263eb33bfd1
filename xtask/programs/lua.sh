# needs: lua5.4

lua5.4 -e 'for i = 0, 4 do print(os.execute("exit " .. i)) end print(os.execute("kill -9 $$")) local f = io.popen("echo hello; exit 3") print(f:read("a")) print(f:close())'
