//! [`WatchError`]: why a watcher could not be made, or refused a process or a callback.

use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::contract::pid::Pid;

/// Why a watcher could not be made, or refused a process or a callback.
///
/// A refused call leaves nothing behind (C2, which has a table of the causes). The text of each
/// error says what the caller can do. If the kernel returned an error, that is the
/// [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// No process has this id now.
    #[error(
        "no process has the pid {pid}: it has been reaped, it never existed, or the pid is that of \
         a thread"
    )]
    NoSuchProcess {
        /// The id that was asked for.
        pid: Pid,
        /// What the kernel answered.
        source: Option<io::Error>,
    },

    /// The process exists, but is not a child of this process. This watcher watches children
    /// only.
    #[error(
        "process {pid} cannot be watched here: it is not a child of this process, and this \
         watcher watches children only"
    )]
    NotAChild {
        /// The process that was asked for.
        pid: Pid,
        /// What the kernel answered.
        source: Option<io::Error>,
    },

    /// The process is the caller's own. No watcher can report its exit to it.
    #[error("process {pid} is this process itself: a process cannot watch its own exit")]
    OwnProcess {
        /// The id of this process.
        pid: Pid,
    },

    /// This watcher has a registration for the same process, which has not been reaped.
    #[error(
        "process {pid} is registered with this watcher already: add a callback to that \
         registration, or unregister the pid first"
    )]
    AlreadyRegistered {
        /// The process that was asked for.
        pid: Pid,
    },

    /// A callback was offered for a pid without a `register_pid` in force.
    #[error("process {pid} is not registered with this watcher: call register_pid first, or watch")]
    NotRegistered {
        /// The process that was asked for.
        pid: Pid,
    },

    /// The file descriptor does not name a process that can be registered by it.
    #[error("this file descriptor cannot be registered: {reason}")]
    UnusablePidfd {
        /// Why not.
        reason: PidfdFault,
        /// What the kernel answered.
        source: Option<io::Error>,
    },

    /// File descriptors, memory or threads are not available at the moment. A later try may succeed.
    /// The text names the limit, by the errno of `source`.
    #[error(
        "{} ({operation}{}): {}",
        shortage(source).0,
        for_process(.pid),
        shortage(source).1
    )]
    ResourceLimit {
        /// The system call that was refused, or the thread that could not be started.
        operation: &'static str,
        /// The process that was asked for; `None` when making the watcher.
        pid: Option<Pid>,
        /// What the kernel answered.
        source: io::Error,
    },

    /// The kernel or a sandbox does not offer a system call or a thread that this backend needs,
    /// or the backend does not offer what was called. A system call may be refused to this process
    /// alone. For example, a process that has unshared its pid namespace cannot start threads.
    #[error("{}", absence(operation, *.pid, source))]
    Unsupported {
        /// The system call that was refused, or the thread that could not be started.
        operation: &'static str,
        /// The process that was asked for; `None` when making the watcher.
        pid: Option<Pid>,
        /// What the kernel answered.
        source: io::Error,
    },

    /// The caller is a forked copy of the process that made the watcher (C15).
    #[error(
        "this process is a forked copy of the process that made the watcher: make a new watcher \
         here"
    )]
    Forked,

    /// The watcher has ended. Its callbacks have been dropped, and no more will run. There are
    /// two causes:
    ///
    /// - One half of a [`DrivenWatcher`](crate::DrivenWatcher) and its
    ///   [`Driver`](crate::Driver) has been dropped.
    /// - The watcher's source has panicked. The sources of the crates `childwatch-pidfd` and
    ///   `childwatch-sigchld` do not panic.
    #[error(
        "the watcher has ended, because it or its driver was dropped, or because its source \
         panicked: make a new watcher, and report a panic to the author of the source"
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

/// Why a file descriptor does not name a process that can be registered. Its text has the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PidfdFault {
    /// It is another kind of file. A directory of `/proc` is no pidfd either.
    NoPidfd,
    /// It is the pidfd of a thread (`PIDFD_THREAD`).
    Thread,
    /// Its process has been reaped, so that it has no pid any more.
    Reaped,
    /// Its process has no pid in the pid namespace of this process.
    OtherNamespace,
    /// The kernel does not say which pid its process has. Linux says so by `PIDFD_GET_INFO` (6.13),
    /// or in the `/proc` of this pid namespace.
    UnknownPid,
}

impl fmt::Display for PidfdFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PidfdFault::NoPidfd => "it is no pidfd; open one with pidfd_open or clone3",
            PidfdFault::Thread => {
                "it is the pidfd of a thread; open one of the process, without PIDFD_THREAD"
            }
            PidfdFault::Reaped => {
                "its process has been reaped; register a process before it is waited for"
            }
            PidfdFault::OtherNamespace => {
                "its process has no pid in this pid namespace; register it in the namespace of the \
                 process, or in one around that"
            }
            PidfdFault::UnknownPid => {
                "the pid of its process is unknown here; mount the /proc of this pid namespace, or \
                 use Linux 6.13 or later and allow the ioctl PIDFD_GET_INFO"
            }
        })
    }
}

/// The error of a watcher or a source that does not offer a call.
pub(crate) fn not_offered(operation: &'static str, pid: Option<Pid>) -> WatchError {
    WatchError::Unsupported {
        operation,
        pid,
        source: io::ErrorKind::Unsupported.into(),
    }
}

// The compiler cannot know this, because an `io::Error` may hold any value inside. A `WatchError`
// is not changed after it was made, so no panic can leave one half changed.
impl UnwindSafe for WatchError {}
impl RefUnwindSafe for WatchError {}

fn for_process(pid: &Option<Pid>) -> String {
    pid.map_or_else(String::new, |pid| format!(" for process {pid}"))
}

/// The resource that is short, and a remedy.
fn shortage(source: &io::Error) -> (&'static str, &'static str) {
    match source.raw_os_error() {
        Some(libc::EMFILE) => (
            "this process has no file descriptor left",
            "raise RLIMIT_NOFILE, or watch fewer processes at a time",
        ),
        Some(libc::ENFILE) => (
            "the system has no open file left",
            "raise fs.file-max, or close files of other processes",
        ),
        Some(libc::ENOMEM) => (
            "there is no memory left",
            "free memory, or raise the control group's memory.max or RLIMIT_AS",
        ),
        // Only a thread is refused so. glibc also reports a stack that finds no memory
        // with this errno.
        Some(libc::EAGAIN) => (
            "no further thread can be started",
            "raise RLIMIT_NPROC, the control group's pids.max or kernel.threads-max, or free \
             memory for the thread's stack",
        ),
        Some(libc::ENOSPC) => (
            "this user has no epoll registration left",
            "raise fs.epoll.max_user_watches, or watch fewer processes at a time",
        ),
        _ => (
            "a limit is reached",
            "raise it, or watch fewer processes at a time",
        ),
    }
}

/// The text for a system call or thread that is not offered, with a remedy.
fn absence(operation: &str, pid: Option<Pid>, source: &io::Error) -> String {
    let process = for_process(&pid);
    if is_a_thread(operation) && source.raw_os_error() == Some(libc::EINVAL) {
        return format!(
            "this process cannot start threads ({operation}{process}), because it has unshared \
             its pid namespace (on some kernels, its time namespace): make the watcher before \
             that, or in a child"
        );
    }
    if is_a_thread(operation) {
        return format!(
            "this sandbox does not let a process start threads ({operation}{process}), which \
             every backend needs: allow clone and clone3 with CLONE_THREAD"
        );
    }
    if source.raw_os_error().is_none() && source.kind() == io::ErrorKind::Unsupported {
        return format!(
            "this watcher does not offer {operation}{process}: choose a backend that does"
        );
    }
    format!("this kernel or sandbox does not offer {operation}{process}: choose another backend")
}

/// The engine names a thread so that its name ends in this word.
fn is_a_thread(operation: &str) -> bool {
    operation.ends_with("thread")
}

/// Keeps the whole error as the inner error of the [`io::Error`], which has the nearest
/// [`io::ErrorKind`].
impl From<WatchError> for io::Error {
    fn from(error: WatchError) -> Self {
        let kind = match &error {
            WatchError::NoSuchProcess { .. } | WatchError::NotRegistered { .. } => {
                io::ErrorKind::NotFound
            }
            WatchError::NotAChild { .. } | WatchError::OwnProcess { .. } => {
                io::ErrorKind::InvalidInput
            }
            WatchError::AlreadyRegistered { .. } => io::ErrorKind::AlreadyExists,
            WatchError::UnusablePidfd { reason, .. } => match reason {
                PidfdFault::NoPidfd | PidfdFault::Thread => io::ErrorKind::InvalidInput,
                PidfdFault::Reaped => io::ErrorKind::NotFound,
                PidfdFault::OtherNamespace | PidfdFault::UnknownPid => io::ErrorKind::Unsupported,
            },
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

    fn short(operation: &'static str, pid: Option<Pid>, errno: i32) -> String {
        let source = io::Error::from_raw_os_error(errno);
        let error = WatchError::ResourceLimit {
            operation,
            pid,
            source,
        };
        assert!(error.source().is_some());
        error.to_string()
    }

    fn absent(operation: &'static str, errno: i32) -> String {
        let error = WatchError::Unsupported {
            operation,
            pid: None,
            source: io::Error::from_raw_os_error(errno),
        };
        error.to_string()
    }

    #[test]
    fn a_shortage_names_the_process_the_call_and_the_limit() {
        let pid = Some(Pid::try_from(7).unwrap());
        assert_eq!(
            short("pidfd_open", pid, libc::EMFILE),
            "this process has no file descriptor left (pidfd_open for process 7): raise \
             RLIMIT_NOFILE, or watch fewer processes at a time"
        );
        assert_eq!(
            short("pidfd_open", pid, libc::ENFILE),
            "the system has no open file left (pidfd_open for process 7): raise fs.file-max, or \
             close files of other processes"
        );
        assert_eq!(
            short("epoll_ctl", pid, libc::ENOMEM),
            "there is no memory left (epoll_ctl for process 7): free memory, or raise the \
             control group's memory.max or RLIMIT_AS"
        );
        assert_eq!(
            short("epoll_ctl", pid, libc::ENOSPC),
            "this user has no epoll registration left (epoll_ctl for process 7): raise \
             fs.epoll.max_user_watches, or watch fewer processes at a time"
        );
        assert_eq!(
            short("a call", pid, libc::EDQUOT),
            "a limit is reached (a call for process 7): raise it, or watch fewer processes at a \
             time"
        );
    }

    #[test]
    fn a_thread_too_many_names_the_limits_of_threads() {
        assert_eq!(
            short("the watcher's thread", None, libc::EAGAIN),
            "no further thread can be started (the watcher's thread): raise RLIMIT_NPROC, the \
             control group's pids.max or kernel.threads-max, or free memory for the thread's \
             stack"
        );
    }

    #[test]
    fn what_is_not_offered_is_named_with_the_cause() {
        assert_eq!(
            absent("pidfd_open", libc::ENOSYS),
            "this kernel or sandbox does not offer pidfd_open: choose another backend"
        );
        // Linux 5.3. It has nothing to do with namespaces.
        assert_eq!(
            absent("waitid(P_PIDFD)", libc::EINVAL),
            "this kernel or sandbox does not offer waitid(P_PIDFD): choose another backend"
        );
        assert_eq!(
            absent("the watcher's thread", libc::EINVAL),
            "this process cannot start threads (the watcher's thread), because it has unshared \
             its pid namespace (on some kernels, its time namespace): make the watcher before \
             that, or in a child"
        );
        assert_eq!(
            absent("the watcher's thread", libc::EPERM),
            "this sandbox does not let a process start threads (the watcher's thread), which \
             every backend needs: allow clone and clone3 with CLONE_THREAD"
        );
    }

    /// Programs decide by the kind whether they try again.
    #[test]
    fn an_io_error_has_the_nearest_kind() {
        let pid = Pid::try_from(7).unwrap();
        let operation = "a call";
        let short = |errno| WatchError::ResourceLimit {
            operation,
            pid: None,
            source: io::Error::from_raw_os_error(errno),
        };
        let failed = |kind: io::ErrorKind| WatchError::Os {
            operation,
            pid: None,
            source: kind.into(),
        };
        let absent = WatchError::Unsupported {
            operation,
            pid: None,
            source: io::ErrorKind::PermissionDenied.into(),
        };
        for (error, kind) in [
            (
                WatchError::NoSuchProcess { pid, source: None },
                io::ErrorKind::NotFound,
            ),
            (WatchError::NotRegistered { pid }, io::ErrorKind::NotFound),
            (
                WatchError::NotAChild { pid, source: None },
                io::ErrorKind::InvalidInput,
            ),
            (WatchError::OwnProcess { pid }, io::ErrorKind::InvalidInput),
            (
                WatchError::AlreadyRegistered { pid },
                io::ErrorKind::AlreadyExists,
            ),
            (absent, io::ErrorKind::Unsupported),
            (short(libc::ENOMEM), io::ErrorKind::OutOfMemory),
            (short(libc::EAGAIN), io::ErrorKind::WouldBlock),
            (failed(io::ErrorKind::BrokenPipe), io::ErrorKind::BrokenPipe),
            (WatchError::Forked, io::ErrorKind::Other),
            (WatchError::Stopped, io::ErrorKind::Other),
        ] {
            let text = error.to_string();
            assert_eq!(io::Error::from(error).kind(), kind, "{text}");
        }
    }

    #[test]
    fn a_pidfd_that_cannot_be_used_has_a_reason_and_a_kind() {
        for (reason, kind, word) in [
            (PidfdFault::NoPidfd, io::ErrorKind::InvalidInput, "no pidfd"),
            (PidfdFault::Thread, io::ErrorKind::InvalidInput, "thread"),
            (PidfdFault::Reaped, io::ErrorKind::NotFound, "reaped"),
            (
                PidfdFault::OtherNamespace,
                io::ErrorKind::Unsupported,
                "this pid namespace",
            ),
            (
                PidfdFault::UnknownPid,
                io::ErrorKind::Unsupported,
                "unknown",
            ),
        ] {
            let source = None;
            let error = WatchError::UnusablePidfd { reason, source };
            assert!(error.to_string().contains(word), "{error}");
            assert_eq!(io::Error::from(error).kind(), kind, "{reason}");
        }
    }

    #[test]
    fn what_a_watcher_does_not_offer_is_not_the_kernels_fault() {
        let pid = Some(Pid::try_from(7).unwrap());
        assert_eq!(
            not_offered("pidfds", pid).to_string(),
            "this watcher does not offer pidfds for process 7: choose a backend that does"
        );
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
