// The command line of the bench.
//
// `cargo xtask bench` includes this file too. It answers `--help` and refuses options that
// make no sense before it builds the bench. So this file imports nothing of the bench. (A
// file that is included can have no `//!`.)

use std::path::PathBuf;

use childwatch_command::numbers::whole;
use clap::ValueEnum;

/// Compare childwatch with other ways to learn of an exit
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) mode: Option<Mode>,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(clap::Subcommand, Debug)]
pub(crate) enum Mode {
    /// Watch 1, 10, 100, … 50,000 children: time, memory, and each exit told once
    Scale(Options),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// Tables for a terminal
    Text,
    /// Tables for a document
    Markdown,
    /// One object: the figures of each candidate, and the targets
    Json,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Run everything once and small: proves that it runs, and measures nothing
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measure only these rows: latency, loop, task-tokio, task-tokio-threads, task-async-io,
    /// merged, reaped, silent, live, registering, dead, memory, idle, life, scale
    #[arg(long, value_name = "ROW")]
    pub(crate) only: Vec<String>,
    /// Measure only with these numbers of children, among those of each row
    #[arg(long, value_name = "NUMBER", value_parser = whole::<usize>(1..=1_000_000))]
    pub(crate) size: Vec<usize>,
    /// Measure only these candidates and the floor of each row
    #[arg(long, value_name = "CANDIDATE")]
    pub(crate) candidate: Vec<String>,
    /// Take this many rounds, instead of each row's own number
    #[arg(long, value_name = "NUMBER", value_parser = whole::<usize>(1..=1_000_000))]
    pub(crate) rounds: Option<usize>,
    /// Pin each slice and its children to one processor: less realistic, and less noisy
    #[arg(long)]
    pub(crate) pin: bool,
    /// As root, raise kernel.pid_max during the run, if it leaves no room for 50,000 children
    /// or for those of all candidates at once
    #[arg(long)]
    pub(crate) raise_pid_max: bool,
    /// The format of the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Measure all rows, and write the report into this directory: README.md, results.json
    /// and plots
    #[arg(long, value_name = "DIR")]
    pub(crate) docs: Option<PathBuf>,
    /// Exit with 1 if a target is missed
    #[arg(long)]
    pub(crate) check: bool,
}
