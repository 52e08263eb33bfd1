//! [`Exit`]: what a callback is told.

use std::fmt;
use std::process::ExitStatus;

use crate::contract::pid::Pid;

/// The end of one process, as far as it can be known without reaping it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    pid: Pid,
    status: Option<ExitStatus>,
}

impl Exit {
    /// An exit of `pid`. Watchers make these; so may a test of code that takes
    /// one.
    #[must_use]
    pub const fn new(pid: Pid, status: Option<ExitStatus>) -> Self {
        Exit { pid, status }
    }

    /// The process that has exited.
    ///
    /// Until somebody reaps it the number is still this process's own.
    #[must_use]
    pub const fn pid(self) -> Pid {
        self.pid
    }

    /// Code, or signal and core-dump flag; `None` when it cannot be known.
    ///
    /// The status of a child that nobody has reaped is always known. It is not
    /// when the process is no child of this one, or was reaped by somebody else
    /// before the watcher could look, and the kernel does not tell afterwards
    /// (Linux does from 6.15 on). It is never invented: `None` is not success.
    #[must_use]
    pub const fn status(self) -> Option<ExitStatus> {
        self.status
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "process {}: {status}", self.pid),
            None => write!(f, "process {}: exited, status unknown", self.pid),
        }
    }
}
