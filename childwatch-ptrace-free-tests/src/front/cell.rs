//! [`Cell`]: one case against one backend, in a process of its own, under a
//! deadline.
//!
//! The process is this same program, started anew with [`CELL_FLAG`].

use std::env;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::backend::stage::Stage;
use crate::backend::under_test::BackendUnderTest;
use crate::case::Case;
use crate::kit::deadline::set_patience;
use crate::kit::judged::{self, Verdict};

/// The first argument of a program that is to be a cell. Backend, case and the
/// patience of its waits, in milliseconds, follow.
pub const CELL_FLAG: &str = "--childwatch-cell";

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

    /// The cell's own process: runs the case and never returns.
    pub(crate) fn run_here(&self) -> ! {
        judged::run_here(self.case.is_supported(self.backend), || {
            (self.case.run)(&Stage::new(self.backend));
        })
    }
}

/// The cell that this process was started to be, if it was.
pub(crate) fn from_args<'a>(backends: &[&'a dyn BackendUnderTest]) -> Option<Cell<'a>> {
    let mut args = env::args().skip(1);
    if args.next()? != CELL_FLAG {
        return None;
    }
    let (backend, case) = (args.next()?, args.next()?);
    set_patience(Duration::from_millis(args.next()?.parse().ok()?));
    Some(Cell {
        backend: *backends.iter().find(|known| known.name() == backend)?,
        case: Case::named(&case)?,
    })
}
