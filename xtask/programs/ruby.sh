# needs: ruby

ruby -e '5.times { |i| system("exit #{i}"); puts $?.exitstatus }; puts `echo back`; ps = 8.times.map { |i| fork { exit! i } }; puts ps.map { |p| Process.wait2(p)[1].exitstatus }.inspect; t = Process.detach(fork { exit! 6 }); puts t.value.exitstatus; trap("CHLD") { $n = true }; system("true"); puts $n; IO.popen("exit 9").close; puts $?.exitstatus'
