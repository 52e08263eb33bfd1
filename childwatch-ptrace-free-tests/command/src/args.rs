//! [`Args`]: the options of the command, and what they do.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use childwatch_ptrace_free_tests::{BackendUnderTest, Cell, Sandbox};

use crate::format::Format;
use crate::list;
use crate::numbers::whole;
use crate::order::Order;
use crate::parallelism::parallelism;
use crate::progress::Progress;
use crate::report::{CellReport, Report};
use crate::select::Selection;
use crate::{kernel, names};

/// The exit code for a command line that makes no sense, as clap uses it.
const MISUSED: u8 = 2;

/// The options of the command.
///
/// A program with commands of its own flattens them into one of these, and calls
/// [`Args::run`].
// The program that flattens it may have a group of the default name.
#[derive(clap::Args, Debug)]
#[group(id = "suite")]
pub struct Args {
    #[command(flatten)]
    selection: Selection,

    /// Run every case this many times. One failure fails it.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<usize>(1..=1_000_000))]
    repeat: usize,

    /// Run this many cases at a time.
    #[arg(long, value_name = "N", default_value_t = parallelism().get(), value_parser = whole::<usize>(1..=10_000))]
    jobs: usize,

    /// Kill a case that takes longer. Each of its waits may take a quarter of it.
    /// [default: 120, or 240 on another kernel]
    #[arg(long, value_name = "SECONDS", value_parser = whole::<u64>(1..=86_400))]
    deadline: Option<u64>,

    /// Keep every processor busy meanwhile, to reveal races.
    #[arg(long)]
    busy: bool,

    // The help lists the names; a wrong one is answered with the nearest.
    #[arg(long, value_name = "NAME", value_parser = sandbox, help = sandbox_help())]
    sandbox: Option<Sandbox>,

    /// What to print on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Only list the cases and hosts, with their clauses and needs.
    #[arg(long)]
    list: bool,
}

impl Args {
    /// Runs the selected cases on this kernel, and writes the report to the standard output.
    /// Returns the exit code of the program: 1 after any failure, and 2 if the options make no
    /// sense.
    ///
    /// # Errors
    ///
    /// If the sandbox is unavailable, or the report cannot be written.
    pub fn run(
        &self,
        backends: &'static [&'static dyn BackendUnderTest],
        deadline: Duration,
    ) -> anyhow::Result<ExitCode> {
        self.run_by(backends, deadline, examine_here)
    }

    /// Lets `examine` run the selected cases. It is for another kernel than this one.
    ///
    /// # Errors
    ///
    /// The error of `examine`, or of writing the report.
    #[doc(hidden)]
    pub fn run_by(
        &self,
        backends: &'static [&'static dyn BackendUnderTest],
        deadline: Duration,
        examine: impl FnOnce(&Order) -> anyhow::Result<Report>,
    ) -> anyhow::Result<ExitCode> {
        let selected = match self.selection.resolve(backends, self.sandbox.is_some()) {
            Ok(selected) => selected,
            Err(reason) => {
                eprintln!("error: {reason}");
                return Ok(MISUSED.into());
            }
        };
        for note in &selected.notes {
            eprintln!("{note}");
        }
        let out = &mut io::stdout().lock();
        if self.list {
            list::write(out, &selected.cases)?;
            out.flush()?;
            return Ok(ExitCode::SUCCESS);
        }
        let report = examine(&self.order(selected.cells(), deadline))?;
        self.format.write(out, &report)?;
        out.flush()?;
        Ok(report.exit_code())
    }

    fn order(&self, cells: Vec<Cell<'static>>, deadline: Duration) -> Order {
        Order {
            cells,
            sandbox: self.sandbox,
            repeats: self.repeat,
            jobs: self.jobs,
            deadline: self.deadline.map_or(deadline, Duration::from_secs),
            busy: self.busy,
        }
    }
}

fn examine_here(order: &Order) -> anyhow::Result<Report> {
    let start = Instant::now();
    let mut progress = Progress::of(order.runs());
    let named: Vec<_> = order.cells.iter().map(CellReport::unreported).collect();
    let cells = order.run(|cell, run| progress.note(&named[cell], run))?;
    Ok(Report {
        kernel: kernel::release(),
        sandbox: order.sandbox,
        cells,
        repeats: order.repeats,
        elapsed: start.elapsed(),
    })
}

fn sandbox_help() -> String {
    let names: Vec<_> = Sandbox::ALL.iter().map(|one| one.name()).collect();
    format!(
        "Refuse the system calls that this kernel or sandbox refuses, by seccomp: {}",
        names.join(", ")
    )
}

fn sandbox(name: &str) -> Result<Sandbox, String> {
    let mut all = Sandbox::ALL.iter().copied();
    let unknown = || names::unknown("sandbox", name, Sandbox::ALL.iter().map(|one| one.name()));
    all.find(|sandbox| sandbox.name() == name)
        .ok_or_else(unknown)
}
