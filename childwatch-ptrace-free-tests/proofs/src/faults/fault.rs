//! [`Fault`]: a call that fails, and when.

use rustix::io::Errno;

use super::call::Call;
use super::notices::Notice;
use super::when::{Phase, When};

/// A call that fails.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The call.
    pub call: &'static Call,
    /// What it fails with.
    pub errno: Errno,
    /// The part of the watcher's life.
    pub phase: Phase,
    /// Which of that phase's calls.
    pub when: When,
}

impl Call {
    /// Every fault of this call with the backend of this name.
    pub(super) fn faults_with(&'static self, backend: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        for &(phase, times) in self.made_with(backend) {
            for &errno in self.errors {
                let alone = (1..=times).map(When::Nth);
                let long = [When::Lasting, When::ForGood].into_iter();
                let whens = alone.chain(long.filter(|_| self.can_last(errno)));
                faults.extend(whens.map(|when| Fault {
                    call: self,
                    errno,
                    phase,
                    when,
                }));
            }
        }
        faults
    }
}

impl Fault {
    pub(super) fn concerns(&self, notice: &Notice, by_caller: bool) -> bool {
        self.call.is_made(notice, by_caller)
    }
}
