//! The state of a process, asked through its pidfd without reaping the process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitStatus;

use childwatch_core::ResourceUsage;
use childwatch_core::source::{Detail, Ended, Peeked, peek, send_signal_to_pidfd};
use rustix::io::Errno;

use crate::fdinfo;
use crate::info::{self, ExitInfo};

/// What a wait for the process of a pidfd would find.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WaitState {
    /// The process has exited, with this status and usage if they are known.
    Exited {
        status: Option<ExitStatus>,
        usage: Option<Box<ResourceUsage>>,
    },
    /// A tracer holds the process, so its parent cannot wait for it yet.
    NotWaitable,
    /// The number does not belong to a pidfd. The program has closed it, or the calling thread
    /// has a table of descriptors of its own (`unshare(CLONE_FILES)`).
    NoPidfd,
    /// A child that is being reaped. The kernel has not stored its status yet. An edge follows
    /// when it has.
    BeingReleased,
}

impl WaitState {
    /// A process that has exited, without a resource usage.
    const fn exited(status: Option<ExitStatus>) -> Self {
        let usage = None;
        WaitState::Exited { status, usage }
    }
}

/// Returns what a readable pidfd means. `own_pid` is the pid of this process.
pub(crate) fn look(pidfd: &OwnedFd, detail: Detail, own_pid: u32) -> WaitState {
    match wait_for(pidfd, detail) {
        Ok(Some(ended)) => ended.into(),
        // The process is not waitable, or has stopped or continued: no exit.
        Ok(None) => WaitState::NotWaitable,
        // ECHILD: not a child, or reaped already. The pidfd is readable, so the process
        // has exited.
        Err(Errno::CHILD) => match info::exit_info(pidfd) {
            ExitInfo::Status(status) => WaitState::exited(Some(status)),
            ExitInfo::Unreleased { parent } if parent == own_pid => WaitState::BeingReleased,
            // The zombie of another parent: that parent may never reap it.
            ExitInfo::Unreleased { .. } | ExitInfo::Unknown => WaitState::exited(None),
        },
        Err(Errno::BADF) => WaitState::NoPidfd,
        // A sandbox refuses the question. The pidfd is readable, so the process has exited. It
        // may stay a zombie until the callback has run, so there is nothing to wait for.
        Err(_) => match info::exit_info(pidfd) {
            ExitInfo::Status(status) => WaitState::exited(Some(status)),
            ExitInfo::Unreleased { .. } | ExitInfo::Unknown => WaitState::exited(None),
        },
    }
}

/// Returns what a pidfd means if it is not known whether the pidfd is readable.
pub(crate) fn look_unpolled(pidfd: &OwnedFd, detail: Detail) -> WaitState {
    match wait_for(pidfd, detail) {
        Ok(Some(ended)) => ended.into(),
        Ok(None) | Err(_) => WaitState::NotWaitable,
    }
}

/// Returns an error if the kernel does not offer `waitid(P_PIDFD)` (Linux 5.4). Any pidfd will do
/// to find out.
pub(crate) fn check_waitid(pidfd: impl AsFd) -> Result<(), Errno> {
    match wait_for(pidfd, Detail::Status) {
        Err(Errno::CHILD) | Ok(_) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn wait_for(pidfd: impl AsFd, detail: Detail) -> Result<Option<Ended>, Errno> {
    peek(Peeked::Pidfd(pidfd.as_fd()), detail).map_err(errno)
}

impl From<Ended> for WaitState {
    fn from(ended: Ended) -> Self {
        WaitState::Exited {
            status: Some(ended.status),
            usage: ended.usage,
        }
    }
}

/// Returns `true` if the process has been reaped, so that its pid is free. Returns `false` also if
/// that is unknown.
pub(crate) fn is_reaped(pidfd: impl AsFd) -> bool {
    let pidfd = pidfd.as_fd();
    match signal_nothing(pidfd) {
        Ok(()) => false,
        Err(Errno::SRCH) => true,
        // If the kernel answers EPERM, the process exists and belongs to another user. If a
        // sandbox answers EPERM, nothing is known.
        Err(_) => has_no_pid(pidfd),
    }
}

/// Returns `true` if the process certainly has not been reaped. Returns `false` also if that is
/// unknown.
pub(crate) fn is_unreaped(pidfd: impl AsFd) -> bool {
    signal_nothing(pidfd).is_ok()
}

/// Signal 0 asks whether there is a process to signal. A zombie counts, a reaped process does not.
fn signal_nothing(pidfd: impl AsFd) -> Result<(), Errno> {
    send_signal_to_pidfd(pidfd, 0).map_err(errno)
}

/// Returns `true` if `/proc` shows the pidfd with the pid -1, as it does for a reaped process. This
/// is slower, and rarely needed.
fn has_no_pid(pidfd: impl AsFd) -> bool {
    matches!(fdinfo::pid(pidfd.as_fd()), Ok(Some(-1)))
}

fn errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::{Child, Command, Stdio};

    use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, waitpid};
    use rustix::process::{WaitId, WaitIdOptions, WaitOptions, getpid, waitid};

    use super::*;

    fn number(child: &Child) -> Pid {
        Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
    }

    fn pidfd(child: &Child) -> OwnedFd {
        pidfd_open(number(child), PidfdFlags::empty()).unwrap()
    }

    /// A child that exits at the end of its standard input.
    fn cat() -> Child {
        let mut cat = Command::new("cat");
        cat.stdin(Stdio::piped()).spawn().unwrap()
    }

    fn wait_until_exited(pidfd: &OwnedFd) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        assert!(waitid(WaitId::PidFd(pidfd.as_fd()), options).is_ok());
    }

    #[test]
    fn a_zombie_is_looked_at_and_not_reaped() {
        let mut child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
        let pidfd = pidfd(&child);
        wait_until_exited(&pidfd);
        let looks = [
            look(&pidfd, Detail::Status, std::process::id()),
            look(&pidfd, Detail::Status, std::process::id()),
            look_unpolled(&pidfd, Detail::Status),
        ];
        let status = Some(child.wait().unwrap());
        assert_eq!(looks, [(); 3].map(|()| WaitState::exited(status)));
    }

    #[test]
    fn what_has_only_stopped_is_no_zombie() {
        let mut child = cat();
        let pidfd = pidfd(&child);
        assert_eq!(
            look(&pidfd, Detail::Usage, std::process::id()),
            WaitState::NotWaitable
        );
        assert_eq!(look_unpolled(&pidfd, Detail::Usage), WaitState::NotWaitable);
        kill_process(number(&child), Signal::STOP).unwrap();
        waitpid(Some(number(&child)), WaitOptions::UNTRACED).unwrap();
        assert_eq!(
            look(&pidfd, Detail::Usage, std::process::id()),
            WaitState::NotWaitable
        );
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn another_file_is_no_exit() {
        let readable = OwnedFd::from(fs::File::open("/dev/zero").unwrap());
        assert_eq!(
            look(&readable, Detail::Usage, std::process::id()),
            WaitState::NoPidfd
        );
        assert_eq!(
            look_unpolled(&readable, Detail::Usage),
            WaitState::NotWaitable
        );
    }

    #[test]
    fn a_pidfd_can_be_waited_for_and_another_file_cannot() {
        let own = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
        assert_eq!(check_waitid(&own), Ok(()));
        let no_pidfd = OwnedFd::from(fs::File::open("/dev/null").unwrap());
        assert_eq!(check_waitid(&no_pidfd), Err(Errno::BADF));
    }

    /// A child that is being released is still in the kernel's table, without a status. Here the
    /// parent of this process stands for it: it is no child of the caller, and not released.
    #[test]
    fn an_own_child_that_is_being_released_is_waited_for_and_a_strangers_is_not() {
        let stranger = rustix::process::getppid().unwrap();
        let stranger = pidfd_open(stranger, PidfdFlags::empty()).unwrap();
        // Older kernels do not return the parent.
        if let ExitInfo::Unreleased { parent } = info::exit_info(&stranger) {
            assert_eq!(
                look(&stranger, Detail::Usage, parent),
                WaitState::BeingReleased
            );
            assert_eq!(
                look(&stranger, Detail::Usage, parent + 1),
                WaitState::exited(None)
            );
        }
    }

    #[test]
    fn both_ways_of_asking_agree_on_who_has_been_reaped() {
        let mut child = Command::new("true").spawn().unwrap();
        let pidfd = pidfd(&child);
        // Alive or a zombie, so not reaped.
        assert_eq!(signal_nothing(&pidfd), Ok(()));
        assert!(!has_no_pid(&pidfd));
        assert!(!is_reaped(&pidfd));
        assert!(is_unreaped(&pidfd));
        child.wait().unwrap();
        assert_eq!(signal_nothing(&pidfd), Err(Errno::SRCH));
        assert!(has_no_pid(&pidfd));
        assert!(is_reaped(&pidfd));
        assert!(!is_unreaped(&pidfd));
    }
}
