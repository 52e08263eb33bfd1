//! A process of its own that proves something, and the [`Verdict`] of how it ended.
//!
//! A [cell](crate::Cell) is such a process. Whoever has other things to prove can have more.

use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use crate::kit::alone;
use crate::kit::deadline::patience_under;
use crate::kit::footprint::{self, Footprint};

/// What came of a process that was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What it was to show holds.
    Passed,
    /// It does not: the panic's message, or how the process ended.
    Failed(String),
    /// The process was killed at its deadline.
    TimedOut,
    /// The backend or this machine lacks what it needs.
    Unsupported(String),
}

/// An outcome, and how long it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What came of it.
    pub outcome: Outcome,
    /// From the process's start to its end.
    pub elapsed: Duration,
}

/// Runs `program` with these arguments and, last, the patience of its waits in milliseconds.
/// At the deadline, or when `is_called_off` returns `true`, kills the program and all
/// processes that it has started.
///
/// # Errors
///
/// If the process can't be started or waited for.
pub fn run(
    program: &Path,
    arguments: &[&str],
    deadline: Duration,
    is_called_off: impl Fn() -> bool,
) -> io::Result<Verdict> {
    let patience = patience_under(deadline).as_millis().to_string();
    let arguments = arguments.iter().copied().chain([patience.as_str()]);
    let ended = alone::run_unless(program, arguments, deadline, is_called_off)?;
    let outcome = match ended.status {
        Some(status) => outcome(status, &ended.output, &ended.errors),
        None => Outcome::TimedOut,
    };
    Ok(Verdict {
        outcome,
        elapsed: ended.elapsed,
    })
}

/// The process itself: runs `body`, if it is supported, and never returns. It fails by a
/// panic, or when it leaves something behind.
///
/// # Panics
///
/// If `body` panics or leaves something behind.
pub fn run_here(supported: Result<(), String>, body: impl FnOnce()) -> ! {
    alone::end_with_the_runner();
    if let Err(reason) = supported {
        println!("{reason}");
        std::process::exit(i32::from(alone::UNSUPPORTED));
    }
    footprint::begin_sanitizers_thread();
    let before = Footprint::now();
    body();
    before.assert_unchanged();
    std::process::exit(0);
}

fn outcome(status: ExitStatus, output: &str, errors: &str) -> Outcome {
    match status.code() {
        Some(0) => Outcome::Passed,
        Some(code) if code == i32::from(alone::UNSUPPORTED) => {
            Outcome::Unsupported(output.trim().to_owned())
        }
        _ => Outcome::Failed(alone::explain(status, errors)),
    }
}
