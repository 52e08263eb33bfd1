//! [`Cell`]: one case against one backend, in a process of its own, under a
//! deadline.
//!
//! The process is this same program, started anew with [`CELL_FLAG`].

use std::env;
use std::io;
use std::path::Path;
use std::process;
use std::time::Duration;

use crate::backend::stage::Stage;
use crate::backend::under_test::BackendUnderTest;
use crate::case::Case;
use crate::kit::deadline::{patience_under, set_patience};
use crate::kit::judged::{self, Verdict};

/// The first argument of a program that is to be a cell. Backend, case and the
/// patience of its waits, in milliseconds, follow.
pub const CELL_FLAG: &str = "--childwatch-cell";

/// The exit code for arguments that make no sense.
const MISUSED: i32 = 2;

/// One case against one backend.
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    /// The backend.
    pub backend: &'a dyn BackendUnderTest,
    /// The case.
    pub case: &'static Case,
}

impl std::fmt::Debug for Cell<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cell({}, {})", self.backend.name(), self.case.name)
    }
}

impl Cell<'_> {
    /// Runs the case in a process of its own, which is killed, and all that it
    /// has started, at the deadline. `program` must hand its arguments to
    /// [`front::take_part`](crate::front::take_part).
    ///
    /// # Errors
    ///
    /// When the process can't be started or read from.
    pub fn run(&self, program: &Path, deadline: Duration) -> io::Result<Verdict> {
        self.run_unless(program, deadline, || false)
    }

    /// As [`run`](Self::run), but a cell that `is_called_off` does not go on to its
    /// deadline: it counts as timed out then.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_unless(
        &self,
        program: &Path,
        deadline: Duration,
        is_called_off: impl Fn() -> bool,
    ) -> io::Result<Verdict> {
        let arguments = [CELL_FLAG, self.backend.name(), self.case.name];
        judged::run(program, &arguments, deadline, is_called_off)
    }

    /// What a reader of a failure needs beside its reason: the text of the clause, the bounds of
    /// the run, where the documentation is, and how to run the case by hand. `program` and
    /// `deadline` are those of [`run`](Self::run).
    #[must_use]
    pub fn notes(&self, program: &Path, deadline: Duration) -> String {
        let (backend, case) = (self.backend.name(), self.case.name);
        let patience = patience_under(deadline);
        format!(
            "{}\nDocumentation: the contract of `childwatch_core::PidWatcher`\nBounds: \
             {deadline:?} for the case, {patience:?} for each wait\nBy hand: RUST_BACKTRACE=1 {} \
             {CELL_FLAG} {backend} {case} {}",
            self.case.clause.text(),
            program.display(),
            patience.as_millis()
        )
    }

    /// The cell's own process: runs the case and never returns.
    pub(crate) fn run_here(&self) -> ! {
        judged::run_here(self.case.is_supported(self.backend), || {
            (self.case.run)(&Stage::new(self.backend));
        })
    }
}

/// The cell that this process was started to be, if it was. Ends the process if the arguments
/// name none: a person may have written them.
pub(crate) fn from_args<'a>(backends: &[&'a dyn BackendUnderTest]) -> Option<Cell<'a>> {
    let mut args = env::args().skip(1);
    if args.next()? != CELL_FLAG {
        return None;
    }
    match named(&args.collect::<Vec<_>>(), backends) {
        Ok((cell, patience)) => {
            set_patience(patience);
            Some(cell)
        }
        Err(reason) => {
            eprintln!("error: {reason}");
            process::exit(MISUSED)
        }
    }
}

/// Returns the cell that the arguments after [`CELL_FLAG`] name, and the longest time of each
/// wait.
fn named<'a>(
    args: &[String],
    backends: &[&'a dyn BackendUnderTest],
) -> Result<(Cell<'a>, Duration), String> {
    let [backend, case, patience] = args else {
        return Err(format!("it is {CELL_FLAG} BACKEND CASE MILLISECONDS"));
    };
    let known = backends.iter().find(|known| known.name() == backend);
    let backend = *known.ok_or_else(|| format!("no backend is called `{backend}`"))?;
    let case = Case::named(case).ok_or_else(|| format!("no case or host is called `{case}`"))?;
    let patience = patience.parse().map_err(|_| {
        format!("`{patience}` is no number of milliseconds, the longest time of each wait")
    })?;
    Ok((Cell { backend, case }, Duration::from_millis(patience)))
}

#[cfg(test)]
mod tests {
    use childwatch_core::{PidWatcher, SimulatedProcesses, SimulatedWatcher, WatchError};

    use super::*;
    use crate::backend::feature::Feature;

    struct Mine;

    impl BackendUnderTest for Mine {
        fn name(&self) -> &'static str {
            "mine"
        }

        fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
            Ok(Box::new(SimulatedWatcher::new(&SimulatedProcesses::new())?))
        }

        fn offers(&self, _: Feature) -> Result<(), String> {
            Ok(())
        }
    }

    #[test]
    fn arguments_that_name_no_cell_are_explained() {
        let backends: [&dyn BackendUnderTest; 1] = [&Mine];
        let said = |args: &[&str]| {
            let args: Vec<_> = args.iter().map(|&arg| arg.to_owned()).collect();
            named(&args, &backends).map(|(cell, _)| cell.case.name)
        };
        assert_eq!(said(&["mine", "plain", "30"]), Ok("plain"));
        for (args, reason) in [
            (
                &["mine", "plain"][..],
                "it is --childwatch-cell BACKEND CASE MILLISECONDS",
            ),
            (&["his", "plain", "30"], "no backend is called `his`"),
            (&["mine", "plan", "30"], "no case or host is called `plan`"),
            (
                &["mine", "plain", "soon"],
                "`soon` is no number of milliseconds, the longest time of each wait",
            ),
        ] {
            assert_eq!(said(args), Err(reason.to_owned()));
        }
    }

    #[test]
    fn the_notes_have_the_clause_the_bounds_the_documentation_and_the_command() {
        let cell = Cell {
            backend: &Mine,
            case: Case::named("each_callback_runs_once").unwrap(),
        };
        let notes = cell.notes(Path::new("/my/conformance"), Duration::from_secs(120));
        for words in [
            "[C3] once. A callback runs exactly once,",
            "120s for the case, 30s for each wait",
            "`childwatch_core::PidWatcher`",
            "RUST_BACKTRACE=1 /my/conformance --childwatch-cell mine each_callback_runs_once 30000",
        ] {
            assert!(notes.contains(words), "{words}: {notes}");
        }
    }
}
