//! Prints the table of the deliberately broken watchers that docs/reliability.md has.

use childwatch_proofs::broken::table::table;
use childwatch_ptrace_free_tests::front::closed_pipe;

fn main() {
    closed_pipe::end_quietly();
    print!("{}", table());
}
