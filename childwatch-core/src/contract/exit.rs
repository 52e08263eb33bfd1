//! [`Exit`]: the argument of a callback.

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
    /// Creates the exit of `pid`. Watchers create exits, and tests may create them too.
    #[must_use]
    pub const fn new(pid: Pid, status: Option<ExitStatus>) -> Self {
        Exit { pid, status }
    }

    /// Returns the pid of the process that has exited.
    ///
    /// Until the process is reaped, the pid belongs to it. So a callback may still use the pid of a
    /// child that nobody else reaps. For example, it may signal what is left of the process group
    /// that the child has led (`killpg`).
    #[must_use]
    pub const fn pid(self) -> Pid {
        self.pid
    }

    /// Returns the code, or the signal and core-dump flag, or `None` if the status is unknown.
    ///
    /// The status of a child that has not been reaped is known. It may be unknown in two cases:
    ///
    /// - The process is not a child.
    /// - The kernel or another part of the program reaped the child before the watcher looked.
    ///   From Linux 6.15 on, a pidfd still reports the status then.
    ///
    /// `None` does not mean success: a status is never invented.
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
