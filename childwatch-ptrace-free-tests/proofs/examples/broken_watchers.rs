//! Prints the table of the deliberately broken watchers that docs/reliability.md has.

use childwatch_proofs::broken::table::table;

fn main() {
    print!("{}", table());
}
