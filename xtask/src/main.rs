//! The workspace's own chores, as one program: `cargo xtask`.
//!
//! - `cargo xtask conformance` runs the conformance suite on this kernel, and
//!   shows clause by clause what holds here.
//! - `cargo xtask faults` makes each system call of the watchers fail, and shows what they
//!   do.
//! - `cargo xtask probe` says what this kernel and sandbox offer, and which
//!   backend fits.
//! - `cargo xtask soak` makes random calls on thousands of children for minutes, and
//!   counts what is lost, doubled, early, wrong or leaked.
//! - `cargo xtask programs` runs installed programs with a watcher in each of their processes.
//! - `cargo xtask bench` compares childwatch with other ways to learn of an exit.
//! - `cargo xtask unsafe` compares docs/unsafe.md with the sources.
//! - `cargo xtask layers` checks that the files of each crate import from each other one way.
//! - `cargo xtask api` compares the public interface of the published crates with docs/api.
//! - `cargo xtask mutants` breaks the library on purpose, and sees whether a test notices.
//! - `cargo xtask ci` is the whole CI, at home.
//!
//! It exits with 0 if all is well, with 1 if not, and with 2 if the command line makes no
//! sense. If its standard output is a closed pipe, it ends quietly with 141.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use childwatch_proofs::{backends, front};
use childwatch_ptrace_free_tests::front::closed_pipe;
use clap::Parser;

use conformance::guest;

mod api;
mod bench;
mod ci;
mod conformance;
mod differences;
mod faults;
mod layers;
mod models;
mod mutants;
mod nightly;
mod probe;
mod programs;
mod quietly;
mod rust_files;
mod soak;
mod unsafe_code;
mod workspace;

/// The chores of the childwatch workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Chore {
    Conformance(conformance::Args),
    Faults(faults::Args),
    Probe(probe::Args),
    Bench(bench::Args),
    Unsafe(unsafe_code::Args),
    Layers(layers::Args),
    Api(api::Args),
    Mutants(mutants::Args),
    Soak(soak::Args),
    Programs(programs::Args),
    Ci(ci::Args),
    #[command(hide = true)]
    Guest(guest::Args),
    #[command(hide = true)]
    SoakProcess(soak::ProcessArgs),
}

fn main() -> ExitCode {
    front::take_part(backends::ALL);
    closed_pipe::end_quietly();
    let done = match Chore::parse() {
        Chore::Conformance(args) => conformance::main(&args),
        Chore::Faults(args) => faults::main(&args),
        Chore::Probe(args) => probe::main(&args),
        Chore::Bench(args) => bench::main(&args),
        Chore::Unsafe(args) => unsafe_code::main(&args),
        Chore::Layers(args) => layers::main(&args),
        Chore::Api(args) => api::main(&args),
        Chore::Mutants(args) => mutants::main(&args),
        Chore::Soak(args) => soak::main(&args),
        Chore::Programs(args) => programs::main(&args),
        Chore::Ci(args) => ci::main(&args),
        Chore::Guest(args) => guest::main(&args),
        Chore::SoakProcess(args) => soak::process(&args),
    };
    childwatch_command::code(done)
}
