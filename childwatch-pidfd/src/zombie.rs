//! What can be learnt of a process through its pidfd, without reaping it.

#![expect(unsafe_code, reason = "`pidfd_send_signal` with signal 0")]

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::ExitStatus;
use std::ptr;

use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, waitid};

use crate::info::{self, ExitInfo};

/// What a wait for the process of a pidfd would find.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WaitState {
    /// The process has exited, with this status if it can be known.
    Exited(Option<ExitStatus>),
    /// A tracer holds it: its parent cannot wait for it yet.
    NotWaitable,
    /// The number is not that of a pidfd: the program has closed it, or the calling thread
    /// has a table of descriptors of its own (`unshare(CLONE_FILES)`).
    NoPidfd,
    /// A child that is reaped at this moment. The kernel has not stored its status yet,
    /// and makes the pidfd readable once more when it has.
    BeingReleased,
}

/// Exits only, of any kind of child (`__WALL`: also of one made with another
/// exit signal than `SIGCHLD`), neither waiting nor reaping.
fn peek_options() -> WaitIdOptions {
    const WALL: u32 = libc::__WALL as u32;
    WaitIdOptions::EXITED
        | WaitIdOptions::NOHANG
        | WaitIdOptions::NOWAIT
        | WaitIdOptions::from_bits_retain(WALL)
}

/// Tells what a readable pidfd means. `own_pid` is this process's.
pub(crate) fn look(pidfd: &OwnedFd, own_pid: u32) -> WaitState {
    match waitid(WaitId::PidFd(pidfd.as_fd()), peek_options()) {
        Ok(Some(status)) => match exit_status(&status) {
            known @ Some(_) => WaitState::Exited(known),
            // CLD_STOPPED, CLD_TRAPPED, CLD_CONTINUED: no exit.
            None => WaitState::NotWaitable,
        },
        Ok(None) => WaitState::NotWaitable,
        // ECHILD: not a child, or reaped already. The pidfd is readable, so the process
        // has exited.
        Err(Errno::CHILD) => match info::exit_info(pidfd) {
            ExitInfo::Status(status) => WaitState::Exited(Some(status)),
            ExitInfo::Unreleased { parent } if parent == own_pid => WaitState::BeingReleased,
            // The zombie of another parent: that parent may never reap it.
            ExitInfo::Unreleased { .. } | ExitInfo::Unknown => WaitState::Exited(None),
        },
        Err(Errno::BADF) => WaitState::NoPidfd,
        // A sandbox refuses the question. The process has exited all the same, and
        // perhaps nobody reaps it before the callback has run.
        Err(_) => match info::exit_info(pidfd) {
            ExitInfo::Status(status) => WaitState::Exited(Some(status)),
            ExitInfo::Unreleased { .. } | ExitInfo::Unknown => WaitState::Exited(None),
        },
    }
}

/// As [`look`], for a pidfd of which it is not known whether it is readable.
pub(crate) fn look_unpolled(pidfd: &OwnedFd) -> WaitState {
    let status = waitid(WaitId::PidFd(pidfd.as_fd()), peek_options());
    match status.ok().flatten().as_ref().and_then(exit_status) {
        known @ Some(_) => WaitState::Exited(known),
        None => WaitState::NotWaitable,
    }
}

/// Returns `Ok` if the kernel waits for pidfds (Linux 5.4). Any pidfd will do.
pub(crate) fn check_waitid(pidfd: &OwnedFd) -> Result<(), Errno> {
    match waitid(WaitId::PidFd(pidfd.as_fd()), peek_options()) {
        Err(Errno::CHILD) | Ok(_) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Returns `true` if the process has been reaped, so that its pid is free. Returns `false`
/// also if that cannot be known.
pub(crate) fn is_reaped(pidfd: &OwnedFd) -> bool {
    match signal_nothing(pidfd) {
        Ok(()) => false,
        Err(Errno::SRCH) => true,
        // EPERM of the kernel's means that there is a process, one of another user's;
        // a sandbox may mean anything by it.
        Err(_) => has_no_pid(pidfd),
    }
}

/// Signal 0 asks whether there is a process to signal: a zombie counts, a reaped
/// process does not (`pidfd_send_signal` is Linux 5.1). rustix's `Signal` has no 0.
fn signal_nothing(pidfd: &OwnedFd) -> Result<(), Errno> {
    // SAFETY: the call reads an open fd's number, and a null siginfo is allowed.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            0,
            ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    if answer == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    Err(Errno::from_io_error(&error).unwrap_or(Errno::INVAL))
}

/// `/proc` shows a reaped process's pidfd with the pid -1: slower, and seldom asked.
fn has_no_pid(pidfd: &OwnedFd) -> bool {
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    let info = fs::read_to_string(path).unwrap_or_default();
    info.lines()
        .filter_map(|line| line.strip_prefix("Pid:"))
        .any(|pid| pid.trim() == "-1")
}

fn exit_status(status: &WaitIdStatus) -> Option<ExitStatus> {
    let value = status.exit_status().or(status.terminating_signal())?;
    childwatch_core::source::exit_status_from_siginfo(status.raw_code(), value)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, waitpid};
    use rustix::process::{WaitOptions, getpid};

    use super::*;

    fn number(child: &Child) -> Pid {
        Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
    }

    fn pidfd(child: &Child) -> OwnedFd {
        pidfd_open(number(child), PidfdFlags::empty()).unwrap()
    }

    /// A child that ends with its standard input.
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
        let WaitState::Exited(first) = look(&pidfd, std::process::id()) else {
            panic!("it is waitable");
        };
        assert_eq!(look(&pidfd, std::process::id()), WaitState::Exited(first));
        assert_eq!(look_unpolled(&pidfd), WaitState::Exited(first));
        assert_eq!(first, Some(child.wait().unwrap()));
    }

    #[test]
    fn what_has_only_stopped_is_no_zombie() {
        let mut child = cat();
        let pidfd = pidfd(&child);
        assert_eq!(look(&pidfd, std::process::id()), WaitState::NotWaitable);
        assert_eq!(look_unpolled(&pidfd), WaitState::NotWaitable);
        kill_process(number(&child), Signal::STOP).unwrap();
        waitpid(Some(number(&child)), WaitOptions::UNTRACED).unwrap();
        assert_eq!(look(&pidfd, std::process::id()), WaitState::NotWaitable);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn another_file_is_no_exit() {
        let readable = OwnedFd::from(fs::File::open("/dev/zero").unwrap());
        assert_eq!(look(&readable, std::process::id()), WaitState::NoPidfd);
        assert_eq!(look_unpolled(&readable), WaitState::NotWaitable);
    }

    #[test]
    fn a_pidfd_can_be_waited_for_and_another_file_cannot() {
        let own = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
        assert_eq!(check_waitid(&own), Ok(()));
        let no_pidfd = OwnedFd::from(fs::File::open("/dev/null").unwrap());
        assert_eq!(check_waitid(&no_pidfd), Err(Errno::BADF));
    }

    /// The kernel takes it out of its table, and tells its status when that is done. Here
    /// this process's parent stands for it: no child of the asker, and not released.
    #[test]
    fn an_own_child_that_is_being_released_is_waited_for_and_a_strangers_is_not() {
        let stranger = rustix::process::getppid().unwrap();
        let stranger = pidfd_open(stranger, PidfdFlags::empty()).unwrap();
        // Older kernels do not tell the parent.
        if let ExitInfo::Unreleased { parent } = info::exit_info(&stranger) {
            assert_eq!(look(&stranger, parent), WaitState::BeingReleased);
            assert_eq!(look(&stranger, parent + 1), WaitState::Exited(None));
        }
    }

    #[test]
    fn both_ways_of_asking_agree_on_who_has_been_reaped() {
        let mut child = Command::new("true").spawn().unwrap();
        let pidfd = pidfd(&child);
        // Alive or a zombie: not reaped.
        assert_eq!(signal_nothing(&pidfd), Ok(()));
        assert!(!has_no_pid(&pidfd));
        assert!(!is_reaped(&pidfd));
        child.wait().unwrap();
        assert_eq!(signal_nothing(&pidfd), Err(Errno::SRCH));
        assert!(has_no_pid(&pidfd));
        assert!(is_reaped(&pidfd));
    }
}
