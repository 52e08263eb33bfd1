//! What the tests of laws share.

use std::io::{self, Write};
use std::time::Duration;

use childwatch_core::WatchError;
use childwatch_core::source::{Report, Token};
use childwatch_ptrace_free_tests::kit::child::{GatedChild, Nursery, RealNursery};

/// Far more than a wait takes, on a busy machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Checks a law where its source is offered.
pub(crate) fn holds(verdict: Result<(), WatchError>, law: impl FnOnce()) {
    match verdict {
        Ok(()) => law(),
        Err(error) => cannot_run(&error.to_string()),
    }
}

/// Past libtest's capture: it knows no other way to say it of a test that can't run.
pub(crate) fn cannot_run(reason: &str) {
    let _ = io::stderr().write_all(format!("– {reason}\n").as_bytes());
}

pub(crate) fn child() -> Box<dyn GatedChild> {
    RealNursery.spawn()
}

pub(crate) fn token(index: u32) -> Token {
    Token::from_parts(index, 0)
}

pub(crate) fn code(report: Report) -> Option<i32> {
    report.status?.code()
}

/// Whether a wait ended by itself. The `SIGCHLD` of any test's child may interrupt it.
///
/// # Panics
///
/// When the kernel refused it.
#[track_caller]
pub(crate) fn is_over<T>(waited: io::Result<T>) -> Option<T> {
    match waited {
        Ok(told) => Some(told),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
        Err(error) => panic!("{error}"),
    }
}
