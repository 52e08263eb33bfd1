//! The suite until its first failure, each case under a short deadline: it judges the
//! mutants of the library. `cargo xtask mutants` runs it; a plain `cargo test` does not.

use std::env;
use std::error::Error;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use childwatch_proofs::backends;
use childwatch_ptrace_free_tests::{CASES, Cell, Facility, Need, Outcome, front};

/// A wait takes a quarter of it at most: long for a busy machine, short for a mutant that
/// hangs.
const DEADLINE: Duration = Duration::from_secs(40);

/// Most cells wait more than they compute.
const CELLS_A_CORE: usize = 2;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    front::take_part(backends::ALL);
    front::closed_pipe::end_quietly();
    for backend in backends::ALL {
        // Where all its cases are skipped, every mutant would live.
        if let Err(reason) = backend.is_available() {
            println!("{} is not available: {reason}", backend.name());
            return Ok(ExitCode::FAILURE);
        }
    }
    let program = env::current_exe()?;
    let cells = Mutex::new(cells().into_iter());
    let has_failed = AtomicBool::new(false);
    let workers = thread::available_parallelism()?.get() * CELLS_A_CORE;
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| work(&program, &cells, &has_failed));
        }
    });
    Ok(if has_failed.into_inner() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The simulated backend's cells first: they take no time, and need the whole engine.
///
/// Without the cases of thousands of processes: several of them at once are more than many
/// a machine has room for, and that is no fault of a mutant's.
fn cells() -> Vec<Cell<'static>> {
    let is_crowd = |need: &Need| matches!(need, Need::Machine(Facility::Processes(_)));
    let mut cells: Vec<_> = CASES
        .iter()
        .filter(|case| !case.needs.iter().any(is_crowd))
        .flat_map(|case| {
            backends::ALL
                .iter()
                .map(move |&backend| Cell { backend, case })
        })
        .collect();
    cells.sort_by_key(|cell| cell.backend.name() != "simulated");
    cells
}

/// Runs cells until there is none, or one has failed.
fn work(
    program: &Path,
    cells: &Mutex<impl Iterator<Item = Cell<'static>>>,
    has_failed: &AtomicBool,
) {
    let is_called_off = || has_failed.load(Ordering::SeqCst);
    while !is_called_off() {
        let next = cells.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some(cell) = next else { return };
        let failure = failure(
            cell.run_unless(program, DEADLINE, is_called_off)
                .map(|run| run.outcome),
        );
        if let Some(reason) = failure {
            // What was called off because of another is no news.
            if !has_failed.swap(true, Ordering::SeqCst) {
                println!("{}::{}: {reason}", cell.backend.name(), cell.case.name);
            }
        }
    }
}

fn failure(outcome: io::Result<Outcome>) -> Option<String> {
    match outcome {
        Ok(Outcome::Passed | Outcome::Unsupported(_)) => None,
        Ok(Outcome::Failed(reason)) => Some(reason),
        Ok(Outcome::TimedOut) => Some(format!("killed after {DEADLINE:?}")),
        Err(error) => Some(format!("the cell could not be run: {error}")),
    }
}
