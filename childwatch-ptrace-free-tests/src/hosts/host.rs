//! [`Host`]: a small program that lives as a real one does, and in which every watcher is
//! judged.

use super::exception::{self, Exception};
use super::life::Life;
use crate::backend::need::Need;
use crate::backend::stage::Stage;
use crate::backend::under_test::BackendUnderTest;

/// A small program that lives as a real one does: with its own signals, handlers,
/// descriptors, children or sandboxes, and with a job that depends on them.
///
/// A host is judged against a backend like a [`Case`](crate::Case), in a process of its own.
/// Two things must hold:
///
/// 1. The watcher keeps its contract in this program.
/// 2. The program's job has the same result at each [`Moment`](crate::Moment) in the life of a
///    watcher as without one (C18).
#[derive(Debug)]
pub struct Host {
    /// Its name on the command line and in reports.
    pub name: &'static str,
    /// What program it is, in one line.
    pub is: &'static str,
    /// What it needs of the machine and the backend. Without, it is unsupported.
    pub needs: &'static [Need],
    /// What the program notices of some backends, as their documentation says.
    pub exceptions: &'static [Exception],
    /// Lives as the program. Panics when the program or the contract was harmed.
    pub(crate) live: fn(&Life<'_>),
}

impl Host {
    /// Lives as the program, on this stage.
    pub(super) fn live_on(&self, stage: &Stage<'_>) {
        (self.live)(&Life::of(self.exceptions, *stage));
    }

    /// Returns the exceptions that are made for `backend`.
    pub fn exceptions_of(
        &self,
        backend: &dyn BackendUnderTest,
    ) -> impl Iterator<Item = &'static Exception> {
        exception::of_backend(self.exceptions, backend)
    }
}
