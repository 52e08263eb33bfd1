//! `cargo xtask faults`: makes each system call of a watcher fail with each error that it can
//! return, and shows what the watcher does.

use std::io::{self, Write};
use std::process::ExitCode;

use std::time::{Duration, Instant};

use childwatch_command::numbers::whole;
use childwatch_proofs::faults::{self, BACKENDS, Trial};
use childwatch_ptrace_free_tests::BackendUnderTest;
use clap::builder::PossibleValuesParser;

use childwatch_command::kernel;
use childwatch_command::parallelism::parallelism;
use childwatch_command::seconds::Seconds;
use matrix::Matrix;
use run::Tally;

mod document;
mod matrix;
mod run;
mod text;

/// The exit code for a command line that makes no sense, as clap uses it.
const MISUSED: u8 = 2;

/// Make each system call of a watcher fail, once and repeatedly, with each error.
///
/// Exits with 1 if a watcher does anything else than it may: return a clear error, try again,
/// or report an exit late or without its status.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only this backend. May be given more than once.
    #[arg(long = "backend", value_name = "BACKEND", value_parser = backends())]
    backends: Vec<String>,

    /// Run only the calls whose names contain this. May be given more than once.
    #[arg(long = "syscall", value_name = "NAME")]
    calls: Vec<String>,

    /// Write the outcomes to docs/faults.md
    #[arg(long, conflicts_with_all = ["backends", "calls"])]
    write: bool,

    /// Exit with 1 also if docs/faults.md differs from the outcomes
    #[arg(long, conflicts_with_all = ["backends", "calls", "write"])]
    check: bool,

    /// Run this many trials at a time. A trial mostly waits.
    #[arg(long, value_name = "N", default_value_t = trials_at_a_time(), value_parser = whole::<usize>(1..=10_000))]
    jobs: usize,

    /// Kill a trial that takes longer. Each of its waits may take a quarter of it.
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = whole::<u64>(1..=86_400))]
    deadline: u64,
}

pub(crate) fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let trials = args.trials();
    if trials.is_empty() {
        eprintln!("error: no call has such a name, or no such backend makes it");
        return Ok(MISUSED.into());
    }
    if let Err(reason) = faults::can_be_planted() {
        anyhow::ensure!(!args.write, "nothing to write: {reason}");
        println!("– {reason}");
        println!("0 as they may be, 0 wrong, {} skipped", trials.len());
        return Ok(ExitCode::SUCCESS);
    }
    let start = Instant::now();
    let deadline = Duration::from_secs(args.deadline);
    let done = run::run(&trials, args.jobs, deadline)?;
    let matrix = Matrix::of(&done);
    let tally = Tally::of(&done);
    let out = &mut io::stdout().lock();
    text::write(out, &matrix, &done)?;
    let place = kernel::release();
    let (count, elapsed) = (trials.len(), Seconds(start.elapsed()));
    writeln!(out, "{place}: {count} trials, {elapsed}")?;
    writeln!(out, "{tally}")?;
    if tally.wrong > 0 {
        return Ok(ExitCode::FAILURE);
    }
    if args.write {
        document::write(&matrix, &tally)?;
    }
    if args.check {
        return document::check(out, &matrix, &tally);
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn trials(&self) -> Vec<Trial> {
        let is_meant = |backend: &&dyn BackendUnderTest| {
            self.backends.is_empty() || self.backends.iter().any(|name| name == backend.name())
        };
        let backends: Vec<_> = BACKENDS.iter().copied().filter(is_meant).collect();
        let mut trials = faults::planned(&backends);
        if !self.calls.is_empty() {
            trials.retain(|trial| {
                trial.fault.is_some_and(|fault| {
                    let mut names = self.calls.iter();
                    names.any(|name| fault.call.name.contains(name.as_str()))
                })
            });
        }
        trials
    }
}

fn backends() -> PossibleValuesParser {
    PossibleValuesParser::new(BACKENDS.iter().map(|backend| backend.name()))
}

/// Two trials for each processor: a trial spends most of its time waiting.
fn trials_at_a_time() -> usize {
    2 * parallelism().get()
}
