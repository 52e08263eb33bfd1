//! Sending a signal by its number: [`send_signal_to_pidfd`], [`send_signal_to_pid`].
//!
//! rustix's `Signal` has no 0, and real-time signals only by an unsafe call.

#![expect(unsafe_code, reason = "`pidfd_send_signal` and `kill` with any number")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use crate::contract::pid::Pid;

/// Sends a signal to the process of a pidfd (`pidfd_send_signal`, Linux 5.1). The signal 0 only
/// asks whether the process has not been reaped.
///
/// # Errors
///
/// - `ESRCH` if the process has been reaped.
/// - `EINVAL` if there is no such signal.
/// - `EPERM` if this process must not send it.
/// - `ENOSYS` before Linux 5.1.
/// - Any error that a sandbox answers.
pub fn send_signal_to_pidfd(pidfd: impl AsFd, signal: i32) -> io::Result<()> {
    // SAFETY: the call reads the number of a file that is borrowed, and a null siginfo is allowed.
    answered(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_fd().as_raw_fd(),
            signal,
            ptr::null::<libc::siginfo_t>(),
            0,
        )
    })
}

/// Sends a signal to the process that has this pid now. The caller must know that the pid has not
/// been reused.
///
/// # Errors
///
/// As [`send_signal_to_pidfd`], without `ENOSYS`. `ESRCH` if no process has the pid.
pub fn send_signal_to_pid(pid: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: the call takes two numbers and no memory.
    answered(unsafe { libc::kill(pid.as_raw(), signal) }.into())
}

fn answered(answer: libc::c_long) -> io::Result<()> {
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command, Stdio};

    use rustix::process::{PidfdFlags, pidfd_open};

    use super::*;

    fn cat() -> Child {
        let mut cat = Command::new("cat");
        cat.stdin(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn both_send_and_both_say_why_not() {
        let mut children = [cat(), cat()];
        let number = rustix::process::Pid::from_child(&children[0]);
        let pidfd = pidfd_open(number, PidfdFlags::empty()).unwrap();
        let pid = Pid::from(&children[1]);
        let both = |signal| {
            let errno = |sent: io::Result<()>| sent.err().and_then(|error| error.raw_os_error());
            [
                errno(send_signal_to_pidfd(&pidfd, signal)),
                errno(send_signal_to_pid(pid, signal)),
            ]
        };
        assert_eq!(both(0), [None; 2]);
        assert_eq!(both(65), [Some(libc::EINVAL); 2]);
        assert_eq!(both(-1), [Some(libc::EINVAL); 2]);
        assert_eq!(both(libc::SIGRTMIN()), [None; 2]);
        for child in &mut children {
            let status = child.wait().unwrap();
            assert_eq!(status.signal(), Some(libc::SIGRTMIN()));
        }
        assert_eq!(both(0), [Some(libc::ESRCH); 2]);
    }
}
