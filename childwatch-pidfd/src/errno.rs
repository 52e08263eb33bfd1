//! Which [`WatchError`] a refused system call becomes.

use std::io;

use childwatch_core::{Pid, WatchError};
use rustix::io::Errno;

/// The system calls that may be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    PidfdOpen,
    Duplicate,
    SendSignal,
    WaitidPidfd,
    GetInfo,
    Reaping,
    EpollCreate,
    EpollAdd,
    Eventfd,
}

impl Call {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Call::PidfdOpen => "pidfd_open",
            Call::Duplicate => "fcntl(F_DUPFD_CLOEXEC)",
            Call::SendSignal => "pidfd_send_signal",
            Call::WaitidPidfd => "waitid(P_PIDFD)",
            Call::GetInfo => "PIDFD_GET_INFO",
            Call::Reaping => "EPOLLHUP of a pidfd",
            Call::EpollCreate => "epoll_create1",
            Call::EpollAdd => "epoll_ctl",
            Call::Eventfd => "eventfd2, or epoll_ctl for it",
        }
    }
}

/// Returns the error for a refused call. `pid` is `None` if the watcher is being made.
pub(crate) fn refuse(pid: Option<Pid>, call: Call, source: io::Error) -> WatchError {
    let operation = call.name();
    match (Errno::from_io_error(&source), call, pid) {
        // EINVAL (before 6.16): the id is a thread's, or its process has just been reaped.
        // ENOENT (since 6.16): the id is a thread's.
        (Some(Errno::SRCH | Errno::INVAL | Errno::NOENT), Call::PidfdOpen, Some(pid)) => {
            WatchError::NoSuchProcess {
                pid,
                source: Some(source),
            }
        }
        (Some(Errno::SRCH), Call::SendSignal, Some(pid)) => WatchError::NoSuchProcess {
            pid,
            source: Some(source),
        },
        // The kernel says so of a process that this one must not signal.
        (Some(Errno::PERM), Call::SendSignal, _) => WatchError::Os {
            operation,
            pid,
            source,
        },
        // The first number that may be taken is not below RLIMIT_NOFILE.
        (Some(Errno::INVAL), Call::Duplicate, _) => WatchError::ResourceLimit {
            operation,
            pid,
            source: Errno::MFILE.into(),
        },
        // ENOSPC: fs.epoll.max_user_watches.
        (Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOSPC), _, _) => {
            WatchError::ResourceLimit {
                operation,
                pid,
                source,
            }
        }
        // ENOSYS: an old kernel or a stub of a sandbox. EPERM, EACCES: a seccomp
        // profile. EINVAL: waitid before 5.4, a thread's pidfd before 6.9. ENODEV: no pidfd filesystem.
        (Some(Errno::NOSYS | Errno::PERM | Errno::ACCESS | Errno::NODEV), _, _)
        | (Some(Errno::INVAL), Call::WaitidPidfd | Call::Reaping, _) => WatchError::Unsupported {
            operation,
            pid,
            source,
        },
        _ => WatchError::Os {
            operation,
            pid,
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(call: Call, errno: Errno) -> WatchError {
        refuse(Some(Pid::try_from(7).unwrap()), call, errno.into())
    }

    #[test]
    fn each_refusal_is_its_own_error() {
        for errno in [Errno::SRCH, Errno::INVAL, Errno::NOENT] {
            let error = refused(Call::PidfdOpen, errno);
            assert!(matches!(error, WatchError::NoSuchProcess { .. }), "{errno}");
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOSPC] {
            for call in [Call::PidfdOpen, Call::EpollAdd, Call::EpollCreate] {
                let error = refused(call, errno);
                assert!(matches!(error, WatchError::ResourceLimit { .. }), "{errno}");
            }
        }
        for errno in [Errno::NOSYS, Errno::PERM, Errno::ACCESS, Errno::NODEV] {
            let error = refused(Call::PidfdOpen, errno);
            assert!(matches!(error, WatchError::Unsupported { .. }), "{errno}");
        }
        let error = refused(Call::SendSignal, Errno::SRCH);
        assert!(matches!(error, WatchError::NoSuchProcess { .. }));
        for errno in [Errno::PERM, Errno::INVAL] {
            let error = refused(Call::SendSignal, errno);
            assert!(matches!(error, WatchError::Os { .. }), "{errno}");
        }
        let error = refused(Call::Duplicate, Errno::INVAL);
        assert!(matches!(error, WatchError::ResourceLimit { .. }));
        let error = refused(Call::EpollAdd, Errno::BADF);
        assert!(matches!(error, WatchError::Os { .. }));
    }
}
