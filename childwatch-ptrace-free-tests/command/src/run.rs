//! Runs the cells, several at a time, each as often as requested.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use childwatch_ptrace_free_tests::{Cell, Verdict};

use crate::finding::Finding;
use crate::report::{CellReport, Run};

/// What to run and how.
pub(crate) struct Plan {
    /// The program of a cell, which is this one.
    pub(crate) program: PathBuf,
    pub(crate) cells: Vec<Planned>,
    pub(crate) repeats: usize,
    pub(crate) jobs: usize,
    pub(crate) deadline: Duration,
}

/// A cell, and what its case says about running here.
pub(crate) struct Planned {
    cell: Cell<'static>,
    declared: Result<(), String>,
}

/// The verdict on a cell of the plan, by its index.
type Done = (usize, io::Result<Verdict>);

/// Runs the plan: every cell once, then every cell again. Calls `tell` after each run, with
/// the index of its cell.
pub(crate) fn run(plan: &Plan, mut tell: impl FnMut(usize, &Run)) -> Vec<CellReport> {
    let mut reports: Vec<_> = plan.unreported();
    let tickets = AtomicUsize::new(0);
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..plan.jobs.min(plan.runs()) {
            let send = send.clone();
            scope.spawn(|| work(plan, &tickets, send));
        }
        drop(send);
        for (index, verdict) in receive {
            let run = judge(verdict, &plan.cells[index].declared);
            tell(index, &run);
            reports[index].runs.push(run);
        }
    });
    reports
}

impl Plan {
    fn runs(&self) -> usize {
        self.cells.len() * self.repeats
    }

    fn unreported(&self) -> Vec<CellReport> {
        let report = |planned: &Planned| CellReport {
            notes: planned.cell.notes(&self.program, self.deadline),
            ..CellReport::unreported(&planned.cell)
        };
        self.cells.iter().map(report).collect()
    }
}

impl Planned {
    /// Asks the case for its needs, which may fork.
    pub(crate) fn new(cell: Cell<'static>) -> Self {
        let declared = cell.case.is_supported(cell.backend);
        Planned { cell, declared }
    }
}

/// Takes one run after another until none is left.
fn work(plan: &Plan, tickets: &AtomicUsize, done: Sender<Done>) {
    loop {
        let ticket = tickets.fetch_add(1, Ordering::SeqCst);
        if ticket >= plan.runs() {
            return;
        }
        let index = ticket % plan.cells.len();
        let verdict = plan.cells[index].cell.run(&plan.program, plan.deadline);
        if done.send((index, verdict)).is_err() {
            return;
        }
    }
}

/// If a cell cannot be started, it has failed.
fn judge(verdict: io::Result<Verdict>, declared: &Result<(), String>) -> Run {
    match verdict {
        Ok(verdict) => Run {
            finding: Finding::judge(&verdict, declared),
            elapsed: verdict.elapsed,
        },
        Err(error) => Run {
            finding: Finding::Failed(format!("the cell could not be run: {error}")),
            elapsed: Duration::ZERO,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_cannot_be_run_has_failed() {
        let run = judge(Err(io::ErrorKind::OutOfMemory.into()), &Ok(()));
        assert_eq!(
            run.finding.reason(),
            Some("the cell could not be run: out of memory")
        );
        assert!(run.finding.is_failure());
    }
}
