//! [`Exception`] and [`Moment`]: what a host notices of some backends, and when.

use std::fmt;

use crate::backend::feature::Feature;
use crate::backend::under_test::BackendUnderTest;

/// A documented exception to C18: with backends that do not offer something, the program
/// notices the watcher.
#[derive(Clone, Copy, Debug)]
pub struct Exception {
    /// The moments at which the program's job is not done with such a backend.
    pub at: &'static [Moment],
    /// The exception is for backends that do not offer this.
    pub unless: Feature,
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

/// Returns those of the exceptions that are made for `backend`.
pub(super) fn of_backend(
    exceptions: &'static [Exception],
    backend: &dyn BackendUnderTest,
) -> impl Iterator<Item = &'static Exception> {
    let is_made = |exception: &&Exception| backend.offers(exception.unless).is_err();
    exceptions.iter().filter(is_made)
}

impl Exception {
    /// The backends, the moments and what is noticed, in one sentence.
    pub(super) fn describe(&self, backends: &[&dyn BackendUnderTest]) -> String {
        let lacks = |backend: &&&dyn BackendUnderTest| backend.offers(self.unless).is_err();
        let names = backends.iter().filter(lacks).map(|backend| backend.name());
        let names: Vec<_> = names.collect();
        let moments: Vec<_> = self.at.iter().map(ToString::to_string).collect();
        let (names, moments) = (names.join(", "), moments.join(", "));
        format!("With {names}, {moments}: {}.", self.notices)
    }
}
