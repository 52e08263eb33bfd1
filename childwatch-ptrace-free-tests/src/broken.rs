//! Deliberately broken watchers, and the cases that they must fail: so that no
//! case is one that cannot fail.

use crate::backend::BackendUnderTest;

mod old_design;

pub use old_design::OldDesign;

/// A broken watcher's known faults.
#[derive(Clone, Copy)]
pub struct Broken {
    /// The watcher.
    pub backend: &'static dyn BackendUnderTest,
    /// The cases that it fails, and how.
    pub fails: &'static [(&'static str, Fails)],
    /// Some cases that it passes: it is not broken in every way at once.
    pub passes: &'static [&'static str],
}

impl std::fmt::Debug for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broken")
            .field("backend", &self.backend.name())
            .field("fails", &self.fails)
            .finish_non_exhaustive()
    }
}

/// How a case is failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    /// With this in what it prints.
    Saying(&'static str),
    /// By never ending.
    ByHanging,
}

/// Every broken watcher.
pub static ALL: &[Broken] = &[old_design::UNDER_ITS_LOCK, old_design::OUTSIDE_ITS_LOCK];

/// The broken watchers, for [`take_part`](crate::front::take_part).
#[must_use]
pub fn backends() -> Vec<&'static dyn BackendUnderTest> {
    ALL.iter().map(|broken| broken.backend).collect()
}
