# needs: tclsh

cat > job.tcl <<'END'
puts [exec echo hello]
puts [catch {exec sh -c {exit 3}} m o]; puts [lindex [dict get $o -errorcode] 2]
set f [open "|sh -c {echo piped; exit 4}"]; puts [gets $f]; puts [catch {close $f} m o]; puts [lindex [dict get $o -errorcode] 2]
for {set i 0} {$i < 5} {incr i} {exec sh -c "exit 0" &}; after 50
set f [open "|cat" r+]; fconfigure $f -blocking 0; fileevent $f readable {gets $f l; puts $l; close $f; set done 1}; puts $f event; flush $f; vwait done
END
tclsh job.tcl
