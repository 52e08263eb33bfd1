//! [`Exit`]: the argument of a callback.

use std::fmt;
use std::process::ExitStatus;

use crate::contract::pid::Pid;
use crate::contract::resource_usage::ResourceUsage;

/// The end of one process, as far as it can be known without reaping it.
///
/// Two values are equal if pid and status are. The [resource usage](Self::resource_usage) is not
/// compared: the kernel counts the last steps of an exit too, so two looks at one exit may differ
/// in it. [`Display`](fmt::Display) does not show it either.
#[derive(Clone, Copy, Debug)]
pub struct Exit {
    pid: Pid,
    status: Option<ExitStatus>,
    usage: Option<ResourceUsage>,
}

impl Exit {
    /// Creates the exit of `pid`, without a resource usage. Watchers create exits, and tests may
    /// create them too.
    #[must_use]
    pub const fn new(pid: Pid, status: Option<ExitStatus>) -> Self {
        let usage = None;
        Exit { pid, status, usage }
    }

    /// Returns the same exit with this resource usage.
    #[must_use]
    pub const fn with_resource_usage(self, usage: Option<ResourceUsage>) -> Self {
        Exit { usage, ..self }
    }

    /// Returns the pid of the process that has exited.
    ///
    /// Until the process is reaped, the pid belongs to it. So a callback may still use the pid,
    /// unless another part of the program or the kernel reaps the child. For example, it may signal what is left of the process group
    /// that the child has led (`killpg`).
    #[must_use]
    pub const fn pid(self) -> Pid {
        self.pid
    }

    /// Returns the code, or the signal and core-dump flag, or `None` if the status is unknown.
    ///
    /// The status of a child that has not been reaped is known. It may be unknown in two cases:
    ///
    /// - The process is not a child. From Linux 6.15 on, a watcher that tells
    ///   [when it has been reaped](crate::PidWatcher#contract) reports the status.
    /// - The kernel or another part of the program reaped the child before the watcher looked.
    ///   From Linux 6.15 on, a pidfd still reports the status then.
    ///
    /// `None` does not mean success: a status is never invented.
    #[must_use]
    pub const fn status(self) -> Option<ExitStatus> {
        self.status
    }

    /// Returns what the process has used, or `None` if that is unknown.
    ///
    /// It is known if all of these hold:
    ///
    /// - The watcher was created to ask for it, by its method `with_resource_usage`.
    /// - The process is a child, and was not reaped before the watcher looked.
    /// - The kernel and the sandbox return it.
    ///
    /// `None` does not mean that nothing was used: numbers are never invented.
    #[must_use]
    pub const fn resource_usage(self) -> Option<ResourceUsage> {
        self.usage
    }
}

impl PartialEq for Exit {
    fn eq(&self, other: &Self) -> bool {
        (self.pid, self.status) == (other.pid, other.status)
    }
}

impl Eq for Exit {}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "process {}: {status}", self.pid),
            None => write!(f, "process {}: exited, status unknown", self.pid),
        }
    }
}
