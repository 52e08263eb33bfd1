//! `cargo xtask bench`: childwatch beside other ways of hearing of an exit, in one run.
//!
//! A [`Candidate`](candidate::Candidate) is one such way, a [`Row`](row::Row) one thing
//! to measure. Each measurement is a [slice](mod@slice), in a process of its own, so that
//! no candidate's signal handler, threads or heap stand in another's way. The candidates
//! are measured one after another, [round](mod@round) after round, so that what else the
//! machine does falls on all of them; where that is not enough, their slices are there at
//! once and take turns in a [circle](mod@circle). All is told relative to the
//! [floor](candidates::floor): what a program would write that needs nothing but to be
//! told.
//!
//! - `cargo xtask bench` compares the candidates in the rows that a user feels.
//! - `cargo xtask bench scale` has them watch 1 to 50,000 children.
//! - `--docs docs/bench` does both, and writes the pages of that directory.
//! - `--pin` keeps each slice on one processor.
//! - `--quick` proves that it all runs; its numbers mean nothing.

use std::process::ExitCode;

use clap::Parser;

mod candidates;
mod figures;
mod formats;
mod measuring;
mod options;
mod results;
mod rounds;
mod rows;
mod run;

use measuring::heap;
use options::Options;
use rounds::{plan, slice};

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

/// childwatch beside other ways of hearing of an exit
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    mode: Option<Mode>,
    #[command(flatten)]
    options: Options,
}

#[derive(clap::Subcommand)]
enum Mode {
    /// Watch 1, 10, 100, … 50,000 children: time, memory, and each exit told once
    Scale(Options),
    #[command(hide = true)]
    Slice(slice::Args),
}

fn main() -> ExitCode {
    let Cli { mode, options } = Cli::parse();
    let done = match mode {
        None if options.docs.is_some() => run::main(plan::whole(), &options),
        None => run::main(plan::compare(), &options),
        Some(Mode::Scale(options)) => run::main(plan::scale(), &options),
        Some(Mode::Slice(args)) => slice::main(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
