//! `cargo xtask bench`: compares childwatch with other ways to learn of an exit, in one run.
//!
//! A [`Candidate`](candidates::candidate::Candidate) is one such way, and a
//! [`Row`](rows::row::Row) is one thing to measure. Each measurement is a
//! [slice](mod@rounds::slice) in a process of its own. The signal handlers, threads and heap
//! of a candidate therefore do not disturb another one.
//!
//! The candidates are measured one after another, round after round. Other work of the
//! machine then falls on all of them. Where that is not enough, the slices of a
//! [round](mod@rounds::round) exist at once and take turns. The report compares every
//! candidate with the [floor](candidates::floor): a program that runs a callback at an exit
//! and does nothing else.
//!
//! The folders are layers, from the lowest:
//!
//! | folder | idea |
//! |---|---|
//! | [`figures`] | figures and units, statistics over rounds, numbers as text |
//! | [`measuring`] | the instruments and the outcome of one measurement |
//! | [`candidates`] | what is compared |
//! | [`rows`] | what is measured |
//! | [`results`] | what the run has measured, as tables and targets |
//! | [`rounds`] | how the slices run: plan, rounds, turns |
//! | [`formats`] | how the results are written: text, Markdown, JSON, pages, plots |
//!
//! Most rows have one exit or a crowd of children, and a callback. The row `loop` has the loop of a
//! program. In the rows `task-tokio`, `task-tokio-threads` and `task-async-io` a task awaits the
//! exit. In the row `registering`, a thread registers children while others exit. A row has its
//! own list of candidates and its own [floor](rows::row::Row::floor).
//!
//! The modes:
//!
//! - `cargo xtask bench` compares the candidates in the rows that a user feels.
//! - `cargo xtask bench scale` has them watch 1 to 50,000 children.
//! - `--docs docs/bench` does both, and writes the pages of that directory.
//! - `--pin` keeps each slice on one processor.
//! - `--quick` proves that everything runs. Its numbers mean nothing.

use std::env;
use std::iter;
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
use options::{Args, Mode};
use rounds::{plan, slice};

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// The command line of a slice, which this program starts by itself.
#[derive(Parser)]
struct SliceCli {
    #[command(flatten)]
    args: slice::Args,
}

fn main() -> ExitCode {
    let mut words = env::args_os();
    let program = words.next().unwrap_or_default();
    let mut rest = words.peekable();
    if rest.next_if(|word| word == slice::NAME).is_some() {
        let SliceCli { args } = SliceCli::parse_from(iter::once(program).chain(rest));
        return childwatch_command::code(slice::main(&args));
    }
    let Args { mode, options } = Cli::parse().args;
    childwatch_command::code(match mode {
        None if options.docs.is_some() => run::main(plan::whole(), &options),
        None => run::main(plan::compare(), &options),
        Some(Mode::Scale(options)) => run::main(plan::scale(), &options),
    })
}
