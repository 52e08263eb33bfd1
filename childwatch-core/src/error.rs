//! [`WatchError`]: why a watcher refuses.

use std::io;

use crate::Pid;

/// Why a watcher could not be made, or refused a process.
///
/// A refused call leaves nothing behind (C2). Each error says what the caller
/// can do; the kernel's own error, where there is one, is its
/// [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// No process has this id now.
    #[error("no process has the id {pid}: it has been reaped, never was, or is a thread's id")]
    NoSuchProcess {
        /// The id that was asked for.
        pid: Pid,
        /// What the kernel answered.
        source: Option<io::Error>,
    },

    /// The process exists but this watcher cannot watch it, for want of being
    /// its parent; no watcher can watch the process that it lives in.
    #[error(
        "process {pid} cannot be watched here: it is this process itself, or not a child of it, \
         which this watcher needs"
    )]
    NotAChild {
        /// The process that was asked for.
        pid: Pid,
        /// What the kernel answered.
        source: Option<io::Error>,
    },

    /// This watcher has a registration for the same live (or unreaped) process.
    #[error(
        "process {pid} is registered with this watcher already: add a callback to that \
         registration, or unregister the pid first"
    )]
    AlreadyRegistered {
        /// The process that was asked for.
        pid: Pid,
    },

    /// A callback was offered for a pid that has no registration (any more).
    #[error("process {pid} is not registered with this watcher: call register_pid first, or watch")]
    NotRegistered {
        /// The process that was asked for.
        pid: Pid,
    },

    /// Out of file descriptors, memory or threads for the moment; worth another
    /// try later.
    #[error(
        "the limit on open files, threads or memory is reached ({operation}{}): raise it \
         (RLIMIT_NOFILE for files), or watch fewer processes at a time",
        for_process(.pid)
    )]
    ResourceLimit {
        /// The system call that was refused.
        operation: &'static str,
        /// The process that was asked for; `None` when making the watcher.
        pid: Option<Pid>,
        /// What the kernel answered.
        source: io::Error,
    },

    /// The kernel or a sandbox does not offer what this backend is made of.
    #[error(
        "this kernel or sandbox does not offer {operation}{}: choose another backend",
        for_process(.pid)
    )]
    Unsupported {
        /// The system call that was refused.
        operation: &'static str,
        /// The process that was asked for; `None` when making the watcher.
        pid: Option<Pid>,
        /// What the kernel answered.
        source: io::Error,
    },

    /// The caller is a forked copy of the process that made the watcher (C15).
    #[error(
        "this process is a forked copy of the one that made the watcher, which lives on only \
         there: make a new watcher here"
    )]
    Forked,

    /// The source that the watcher goes by has panicked, and the watcher has ended: its
    /// callbacks have been dropped, and no more will run. The sources of the crates
    /// `childwatch-pidfd` and `childwatch-sigchld` do not panic.
    #[error(
        "the watcher has ended because its source panicked: make a new watcher, and report the \
         panic to the author of the source"
    )]
    Stopped,

    /// Anything else that the kernel answered.
    #[error("{operation} failed{}", for_process(.pid))]
    Os {
        /// The system call that failed.
        operation: &'static str,
        /// The process that was asked for; `None` when making the watcher.
        pid: Option<Pid>,
        /// What the kernel answered.
        source: io::Error,
    },
}

fn for_process(pid: &Option<Pid>) -> String {
    pid.map_or_else(String::new, |pid| format!(" for process {pid}"))
}

/// Keeps the whole error as the [`io::Error`]'s inner one, under the nearest
/// [`io::ErrorKind`].
impl From<WatchError> for io::Error {
    fn from(error: WatchError) -> Self {
        let kind = match &error {
            WatchError::NoSuchProcess { .. } | WatchError::NotRegistered { .. } => {
                io::ErrorKind::NotFound
            }
            WatchError::NotAChild { .. } => io::ErrorKind::InvalidInput,
            WatchError::AlreadyRegistered { .. } => io::ErrorKind::AlreadyExists,
            WatchError::Unsupported { .. } => io::ErrorKind::Unsupported,
            WatchError::ResourceLimit { source, .. } | WatchError::Os { source, .. } => {
                source.kind()
            }
            WatchError::Forked | WatchError::Stopped => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn an_error_names_the_pid_the_call_and_the_remedy() {
        let error = WatchError::ResourceLimit {
            operation: "pidfd_open",
            pid: Some(Pid::try_from(7).unwrap()),
            source: io::Error::from_raw_os_error(libc::EMFILE),
        };
        assert_eq!(
            error.to_string(),
            "the limit on open files, threads or memory is reached (pidfd_open for process 7): \
             raise it (RLIMIT_NOFILE for files), or watch fewer processes at a time"
        );
        assert!(error.source().is_some());
    }

    #[test]
    fn an_io_error_keeps_the_watch_error_inside() {
        let pid = Pid::try_from(7).unwrap();
        let error = io::Error::from(WatchError::AlreadyRegistered { pid });
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        assert!(matches!(inner, Some(WatchError::AlreadyRegistered { .. })));
    }
}
