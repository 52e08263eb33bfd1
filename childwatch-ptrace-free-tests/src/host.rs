//! [`Host`]: a small program that lives as a real one does, and in which every watcher is
//! judged.

use std::fmt;

use crate::backend::{BackendUnderTest, Need};
use crate::case::Case;
use crate::hosts::Life;

pub use crate::hosts::{CASES_OF_HOSTS, HOSTS};

/// A small program that lives as a real one does: with its own signals, handlers,
/// descriptors, children or sandboxes, and with a job that depends on them.
///
/// A host is judged against a backend like a [`Case`], in a process of its own. Two things
/// must hold:
///
/// 1. The watcher keeps its contract in this program.
/// 2. The program's job has the same result at each [`Moment`] in the life of a watcher as
///    without one (C18).
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

/// A documented exception to C18: with backends that do not offer something, the program
/// notices the watcher.
#[derive(Clone, Copy, Debug)]
pub struct Exception {
    /// The moments at which the program's job is not done with such a backend.
    pub at: &'static [Moment],
    /// The exception is for backends that do not offer this.
    pub unless: Need,
    /// What the program notices then.
    pub notices: &'static str,
}

/// A time in the life of a watcher at which a program does its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before there is a watcher.
    Without,
    /// A watcher has been made, and has watched nothing yet.
    Idle,
    /// It watches children that live.
    Watching,
    /// It has reported its last child.
    GivenBack,
    /// It was dropped.
    Dropped,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Moment::Without => "without a watcher",
            Moment::Idle => "with an idle watcher",
            Moment::Watching => "while it watches",
            Moment::GivenBack => "after its last child",
            Moment::Dropped => "after it was dropped",
        })
    }
}

impl Host {
    /// Returns the host of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Host> {
        HOSTS.iter().copied().find(|host| host.name == name)
    }

    /// Returns the case that lives as this host.
    ///
    /// # Panics
    ///
    /// If the host is not one of [`HOSTS`].
    #[must_use]
    pub fn case(&self) -> &'static Case {
        let mut cases = CASES_OF_HOSTS.iter();
        let case = cases.find(|case| case.name == self.name);
        case.expect("one list makes hosts and cases")
    }

    /// Returns the exceptions that are made for `backend`.
    pub fn exceptions_of(
        &self,
        backend: &dyn BackendUnderTest,
    ) -> impl Iterator<Item = &'static Exception> {
        self.exceptions
            .iter()
            .filter(move |exception| exception.unless.check(backend).is_err())
    }
}

/// The hosts as a table in Markdown. The documentation shows it: each host's kind of program,
/// and the difference that it notices with which of these backends.
#[must_use]
pub fn table(backends: &[&dyn BackendUnderTest]) -> String {
    let head = "| host | what it is | what it notices |\n|---|---|---|\n";
    let rows = HOSTS.iter().map(|host| {
        let exceptions = host.exceptions.iter();
        let noticed: Vec<_> = exceptions.map(|one| one.describe(backends)).collect();
        format!("| {} | {} | {} |\n", host.name, host.is, noticed.join(" "))
    });
    std::iter::once(head.to_owned()).chain(rows).collect()
}

impl Exception {
    /// The backends, the moments and what is noticed, in one sentence.
    fn describe(&self, backends: &[&dyn BackendUnderTest]) -> String {
        let lacks = |backend: &&&dyn BackendUnderTest| self.unless.check(**backend).is_err();
        let names = backends.iter().filter(lacks).map(|backend| backend.name());
        let names: Vec<_> = names.collect();
        let moments: Vec<_> = self.at.iter().map(ToString::to_string).collect();
        let (names, moments) = (names.join(", "), moments.join(", "));
        format!("With {names}, {moments}: {}.", self.notices)
    }
}
