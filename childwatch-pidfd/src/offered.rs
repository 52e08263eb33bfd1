//! [`pid_of`]: which process a pidfd means that the program offers.
//!
//! The kernel says so in two places. The ioctl `PIDFD_GET_INFO` (Linux 6.13) returns the pid in
//! the pid namespace of the caller. It returns `ESRCH` if the process or its parent has no pid
//! there. `/proc/self/fdinfo` shows the pid in the namespace of the mounted `/proc`, which may be
//! another one. So that is believed only if this process itself has one pid in `/proc`. Linux 5.4 shows
//! the pid of a reaped process there, and newer kernels show -1. So signal 0 tells whether the process
//! still had its pid when it was read.

use std::io;
use std::os::fd::BorrowedFd;
use std::process;

use childwatch_core::{Pid, PidfdFault, WatchError};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::Errno;

use crate::errno::{self, Call};
use crate::fdinfo::{self, field};
use crate::info::{self, Number};
use crate::zombie;

/// `PIDFD_THREAD` (Linux 6.9): the flag with which the pidfd of a thread was opened.
pub(crate) const THREAD: OFlags = OFlags::EXCL;

/// What the kernel says of the number of a pidfd's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Pid(Pid),
    Reaped,
    /// The process has no pid in this pid namespace.
    Outside,
    Nothing,
}

/// Returns the pid of the process of a pidfd. The process may be any but `own_pid`.
pub(crate) fn pid_of(pidfd: BorrowedFd<'_>, own_pid: u32) -> Result<Pid, WatchError> {
    let unusable = |reason, source: Option<Errno>| {
        let source = source.map(io::Error::from);
        Err(WatchError::UnusablePidfd { reason, source })
    };
    match zombie::check_waitid(pidfd) {
        Ok(()) => {}
        Err(errno @ Errno::BADF) => return unusable(PidfdFault::NoPidfd, Some(errno)),
        Err(errno) => return Err(errno::refuse(None, Call::WaitidPidfd, errno.into())),
    }
    // If a sandbox refuses the question, the pidfd of a thread is taken for one of a process.
    if fcntl_getfl(pidfd).is_ok_and(|flags| flags.contains(THREAD)) {
        return unusable(PidfdFault::Thread, None);
    }
    let (shown, source) = match info::number(pidfd) {
        Ok(Number::Pid(number)) => (shown_as(i64::from(number)), None),
        Ok(Number::Reaped) => (Shown::Reaped, None),
        Err(errno) => (in_proc(pidfd)?, Some(errno)),
    };
    let reason = match shown {
        Shown::Pid(pid) if pid.as_raw().unsigned_abs() == own_pid => {
            return Err(WatchError::OwnProcess { pid });
        }
        Shown::Pid(pid) => return Ok(pid),
        Shown::Reaped => PidfdFault::Reaped,
        Shown::Outside => PidfdFault::OtherNamespace,
        Shown::Nothing if zombie::is_reaped(pidfd) => PidfdFault::Reaped,
        Shown::Nothing => PidfdFault::UnknownPid,
    };
    unusable(reason, source)
}

/// Asks the file of the pidfd in `/proc`.
///
/// # Errors
///
/// [`ResourceLimit`](WatchError::ResourceLimit) if the file cannot be opened because descriptors or
/// memory are short. That says nothing of the pidfd.
fn in_proc(pidfd: BorrowedFd<'_>) -> Result<Shown, WatchError> {
    let shown = unless_short(fdinfo::pid(pidfd))?.flatten();
    Ok(match shown.map_or(Shown::Nothing, shown_as) {
        Shown::Reaped => Shown::Reaped,
        Shown::Pid(_) if zombie::is_reaped(pidfd) => Shown::Reaped,
        shown if proc_is_own()? => shown,
        _ => Shown::Nothing,
    })
}

/// Returns `None` if a file in `/proc` is not there or not readable.
fn unless_short<T>(read: io::Result<T>) -> Result<Option<T>, WatchError> {
    const SHORTAGES: [Errno; 3] = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];
    match read {
        Ok(read) => Ok(Some(read)),
        Err(source)
            if Errno::from_io_error(&source).is_some_and(|errno| SHORTAGES.contains(&errno)) =>
        {
            Err(WatchError::ResourceLimit {
                operation: "reading the pid of a pidfd in /proc",
                pid: None,
                source,
            })
        }
        Err(_) => Ok(None),
    }
}

fn shown_as(number: i64) -> Shown {
    match number {
        -1 => Shown::Reaped,
        0 => Shown::Outside,
        number => i32::try_from(number)
            .ok()
            .and_then(|number| Pid::try_from(number).ok())
            .map_or(Shown::Nothing, Shown::Pid),
    }
}

/// Returns `true` if `/proc` belongs to the pid namespace of this process. `NSpid` (Linux 4.1) has
/// a pid for each namespace from that of the mount inwards. A kernel without pid namespaces does
/// not show it.
fn proc_is_own() -> Result<bool, WatchError> {
    let Some(status) = unless_short(fdinfo::read("/proc/self/status"))? else {
        return Ok(false);
    };
    let own = process::id().to_string();
    let has_own_pid = field(&status, "Tgid:") == Some(own.as_str());
    Ok(has_own_pid
        && field(&status, "NSpid:").is_none_or(|pids| pids.split_ascii_whitespace().count() == 1))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::{AsFd, OwnedFd};
    use std::process::{Child, Command, Stdio};

    use rustix::process::{PidfdFlags, pidfd_open};

    use super::*;

    fn cat() -> Child {
        let mut cat = Command::new("cat");
        cat.stdin(Stdio::piped()).spawn().unwrap()
    }

    fn pidfd(child: &Child) -> OwnedFd {
        let number = rustix::process::Pid::from_child(child);
        pidfd_open(number, PidfdFlags::empty()).unwrap()
    }

    fn fault(refused: Result<Pid, WatchError>) -> PidfdFault {
        match refused {
            Err(WatchError::UnusablePidfd { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_places_show_the_pid_until_the_process_is_reaped() {
        let mut child = cat();
        let pidfd = pidfd(&child);
        let pid = Pid::from(&child);
        assert_eq!(pid_of(pidfd.as_fd(), process::id()).unwrap(), pid);
        assert_eq!(in_proc(pidfd.as_fd()).unwrap(), Shown::Pid(pid));
        child.kill().unwrap();
        child.wait().unwrap();
        let refused = pid_of(pidfd.as_fd(), process::id());
        assert_eq!(fault(refused), PidfdFault::Reaped);
        assert_eq!(in_proc(pidfd.as_fd()).unwrap(), Shown::Reaped);
    }

    #[test]
    fn other_files_and_threads_are_told_apart() {
        for path in ["/dev/null", "/proc/1"] {
            let file = OwnedFd::from(fs::File::open(path).unwrap());
            let refused = pid_of(file.as_fd(), process::id());
            assert_eq!(fault(refused), PidfdFault::NoPidfd, "{path}");
        }
        let own = rustix::process::getpid();
        // Before Linux 6.9 there is no pidfd of a thread.
        let flags = PidfdFlags::from_bits_retain(THREAD.bits());
        if let Ok(thread) = pidfd_open(own, flags) {
            let refused = pid_of(thread.as_fd(), 0);
            assert_eq!(fault(refused), PidfdFault::Thread);
        }
        let own = pidfd_open(own, PidfdFlags::empty()).unwrap();
        let refused = pid_of(own.as_fd(), process::id());
        assert!(matches!(refused, Err(WatchError::OwnProcess { .. })));
    }

    #[test]
    fn a_number_is_a_pid_or_says_why_there_is_none() {
        assert_eq!(shown_as(-1), Shown::Reaped);
        assert_eq!(shown_as(0), Shown::Outside);
        assert_eq!(shown_as(7), Shown::Pid(Pid::try_from(7).unwrap()));
        for number in [-2, i64::from(i32::MAX) + 1] {
            assert_eq!(shown_as(number), Shown::Nothing);
        }
    }

    /// After the shortage, the same pidfd may be registered.
    #[test]
    fn a_shortage_says_nothing_of_a_pidfd() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
            let refused = unless_short::<()>(Err(errno.into()));
            assert!(
                matches!(refused, Err(WatchError::ResourceLimit { .. })),
                "{errno}"
            );
        }
        for errno in [Errno::NOENT, Errno::ACCESS, Errno::PERM, Errno::SRCH] {
            assert_eq!(unless_short::<()>(Err(errno.into())).unwrap(), None);
        }
        assert_eq!(unless_short(Ok(7)).unwrap(), Some(7));
    }
}
