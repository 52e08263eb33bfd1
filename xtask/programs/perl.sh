# needs: perl
# notices: handler needs its thread

cat > job.pl <<'END'
$| = 1;
for my $i (1..5) { my $p = fork; if (!$p) { exit $i } waitpid $p, 0; print $? >> 8, "\n" }
print `echo back`; print system("sh", "-c", "exit 4") >> 8, "\n";
open my $f, "-|", "echo piped; exit 3"; print <$f>; close $f; print $? >> 8, "\n";
my $n = 0; $SIG{CHLD} = sub { 1 while waitpid(-1, 1) > 0 && ++$n };
for my $i (1..8) { my $p = fork; if (!$p) { exit 0 } }
select undef, undef, undef, 0.05 while $n < 8; print "$n\n";
$SIG{CHLD} = "IGNORE"; my $p = fork; if (!$p) { exit 0 } print waitpid($p, 0) == -1 ? "none\n" : "some\n";
END
perl job.pl
