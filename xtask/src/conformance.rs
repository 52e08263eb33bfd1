//! `cargo xtask conformance`: runs every case against every backend, and every backend in
//! every host. Each run has a process of its own. The report says what holds on this kernel.

use std::io::{self, Write};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use childwatch_ptrace_free_tests::Sandbox;
use childwatch_ptrace_free_tests::kit::deadline::DEADLINE;
use clap::ValueEnum;

use crate::kernel;
use crate::parallelism::parallelism;
use order::Order;
use progress::Progress;
use report::Report;
use select::Selection;

mod busy;
mod exceptions;
mod finding;
pub(crate) mod guest;
mod json;
mod junit;
mod list;
mod markdown;
mod matrix;
mod order;
mod progress;
mod report;
mod run;
mod sandbox;
mod select;
mod skips;
mod tally;
mod text;

/// The exit code for a command line that makes no sense, as clap uses it.
const MISUSED: u8 = 2;

/// Run the conformance suite: cases and hosts × backends, each in a process of its own.
///
/// Exits with 1 after any failure or timeout, and after a skip that the case does not
/// declare.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,

    /// Run every case this many times. One failure fails it.
    #[arg(long, value_name = "N", default_value_t = NonZeroU32::MIN)]
    repeat: NonZeroU32,

    /// Run this many cases at a time.
    #[arg(long, value_name = "N", default_value_t = parallelism())]
    jobs: NonZeroUsize,

    /// Kill a case that takes longer. Each of its waits may take a quarter of it.
    /// [default: 120, or 240 with --kernel]
    #[arg(long, value_name = "SECONDS")]
    deadline: Option<NonZeroU32>,

    /// Keep every processor busy meanwhile, to reveal races.
    #[arg(long)]
    busy: bool,

    /// Run on this kernel instead: a bzImage (vmlinuz) in QEMU, or user-mode Linux.
    #[arg(long, value_name = "IMAGE")]
    kernel: Option<PathBuf>,

    /// Refuse the system calls that this kernel or sandbox refuses, by seccomp.
    #[arg(long, value_name = "NAME", value_parser = sandbox::parser())]
    sandbox: Option<Sandbox>,

    /// What to print on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Only list the cases and hosts, with their clauses and needs.
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Matrices of clauses and hosts × backends, then each failure and skip with its reason.
    Text,
    /// The same, for pasting into a document.
    Markdown,
    /// One object a line, one line a run.
    Json,
    /// JUnit's XML: a suite a backend.
    Junit,
}

pub(crate) fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let cases = args.selection.cases(args.sandbox.is_some());
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
    let order = args.order();
    match &args.kernel {
        Some(kernel) => guest::examine(kernel, &order),
        None => examine_here(&order),
    }
}

fn examine_here(order: &Order) -> anyhow::Result<Report> {
    let start = Instant::now();
    let mut progress = Progress::of(order.runs());
    let cells = order.run(|_, run| progress.note(&run.finding))?;
    Ok(Report {
        kernel: kernel::release(),
        sandbox: order.sandbox,
        cells,
        repeats: order.repeats,
        elapsed: start.elapsed(),
    })
}

impl Args {
    fn order(&self) -> Order {
        Order {
            cells: self.selection.cells(self.sandbox.is_some()).collect(),
            sandbox: self.sandbox,
            repeats: self.repeat.get() as usize,
            jobs: self.jobs.get(),
            deadline: self.deadline(),
            busy: self.busy,
        }
    }

    fn deadline(&self) -> Duration {
        match (self.deadline, &self.kernel) {
            (Some(seconds), _) => Duration::from_secs(seconds.get().into()),
            (None, None) => DEADLINE,
            (None, Some(_)) => guest::DEADLINE,
        }
    }
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
