//! Prints the table of the deliberately broken watchers that docs/reliability.md has.

use childwatch_ptrace_free_tests::broken;

fn main() {
    print!("{}", broken::table());
}
