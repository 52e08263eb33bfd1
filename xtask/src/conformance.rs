//! `cargo xtask conformance`: every case against every backend, each in a process
//! of its own, and a report of what holds on this kernel.

use std::env;
use std::io::{self, Write};
use std::num::{NonZeroU32, NonZeroUsize};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use childwatch_ptrace_free_tests::cell::DEADLINE;
use clap::ValueEnum;

use crate::kernel;
use busy::Busy;
use report::Report;
use run::{Plan, Planned};
use select::Selection;

mod busy;
mod finding;
mod json;
mod junit;
mod list;
mod markdown;
mod matrix;
mod progress;
mod report;
mod run;
mod select;
mod skips;
mod text;

/// What clap, too, exits with when the command line makes no sense.
const MISUSED: u8 = 2;

/// Run the conformance suite: cases × backends, each in a process of its own.
///
/// Exits with 1 on any failure, timeout, or skip that the case doesn't declare.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,

    /// Run every case this many times: one failure fails it.
    #[arg(long, value_name = "N", default_value_t = NonZeroU32::MIN)]
    repeat: NonZeroU32,

    /// Run this many cases at a time.
    #[arg(long, value_name = "N", default_value_t = parallelism())]
    jobs: NonZeroUsize,

    /// Kill a case that takes longer. Each of its waits may take a quarter of it.
    #[arg(long, value_name = "SECONDS", default_value_t = default_deadline())]
    deadline: NonZeroU32,

    /// Keep every core busy meanwhile, to bring out flakes.
    #[arg(long)]
    busy: bool,

    /// What to print on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Only list the cases, with their clauses and needs.
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A matrix of clauses and backends, then each failure and skip with its reason.
    Text,
    /// The same, for pasting into a document.
    Markdown,
    /// One object a line, one line a run.
    Json,
    /// JUnit's XML: a suite a backend.
    Junit,
}

pub(crate) fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let cases = args.selection.cases();
    if cases.is_empty() {
        eprintln!("error: no case that --case names is of a clause that --clause names");
        return Ok(MISUSED.into());
    }
    let out = &mut io::stdout().lock();
    if args.list {
        list::write(out, &cases)?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = examine(args)?;
    args.format.write(out, &report)?;
    out.flush()?;
    Ok(report.exit_code())
}

fn examine(args: &Args) -> anyhow::Result<Report> {
    let plan = Plan {
        program: env::current_exe().context("this program's own file can't be found")?,
        cells: args.selection.cells().map(Planned::new).collect(),
        repeats: args.repeat.get() as usize,
        jobs: args.jobs.get(),
        deadline: Duration::from_secs(args.deadline.get().into()),
    };
    let start = Instant::now();
    let cells = {
        let _busy = args.busy.then(|| Busy::start(parallelism()));
        run::run(&plan)
    };
    Ok(Report {
        kernel: kernel::release(),
        cells,
        repeats: plan.repeats,
        elapsed: start.elapsed(),
    })
}

impl Format {
    fn write(self, out: &mut impl Write, report: &Report) -> anyhow::Result<()> {
        match self {
            Format::Text => text::write(out, report)?,
            Format::Markdown => markdown::write(out, report)?,
            Format::Json => json::write(out, report)?,
            Format::Junit => junit::write(out, report)?,
        }
        Ok(())
    }
}

fn parallelism() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn default_deadline() -> NonZeroU32 {
    let seconds = u32::try_from(DEADLINE.as_secs()).unwrap_or(u32::MAX);
    NonZeroU32::new(seconds).unwrap_or(NonZeroU32::MIN)
}
