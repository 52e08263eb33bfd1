//! [`send`]: a signal for a child, and for no other process.
//!
//! A pid may be reused as soon as its process has been reaped. So the pidfd of the pid is opened
//! first, and closed at the end of the call. Then the source looks whether the armed child still has the
//! pid. If it has, it had the pid when the pidfd was opened, and the pidfd is the child's.
//!
//! Without a pidfd the signal goes to the pid, after the same look. The pid is the child's until
//! someone waits for it. If the kernel itself reaps the children of this process, this may be any
//! time, and no signal is sent.

use std::io;

use childwatch_core::source::{send_signal_to_pid, send_signal_to_pidfd};
use childwatch_core::{Pid, WatchError};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, pidfd_open};

use crate::listen::disposition::disposition;

/// Sends a signal to the child that has this pid. `look` returns an error if the child has been
/// reaped, or if that is unknown.
pub(crate) fn send(
    pid: Pid,
    signal: i32,
    look: impl Fn() -> Result<(), WatchError>,
) -> Result<(), WatchError> {
    let number = rustix::process::Pid::from_raw(pid.as_raw()).expect("a Pid is positive");
    let opened = pidfd_open(number, PidfdFlags::empty());
    look()?;
    let refused = match opened.map(|pidfd| send_signal_to_pidfd(pidfd, signal)) {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(answer)) if is_an_answer(&answer) => {
            return Err(explain("pidfd_send_signal", pid, answer));
        }
        Ok(Err(refused)) => refused,
        Err(errno) => errno.into(),
    };
    if !keeps_zombies() {
        return Err(WatchError::Unsupported {
            operation: "pidfd_open and pidfd_send_signal",
            pid: Some(pid),
            source: refused,
        });
    }
    send_signal_to_pid(pid, signal).map_err(|source| explain("kill", pid, source))
}

fn explain(operation: &'static str, pid: Pid, source: io::Error) -> WatchError {
    match Errno::from_io_error(&source) {
        Some(Errno::SRCH) => WatchError::NoSuchProcess {
            pid,
            source: Some(source),
        },
        _ => WatchError::Os {
            operation,
            pid: Some(pid),
            source,
        },
    }
}

/// Returns `true` if `kill` would give the same answer. Other refusals come from a shortage, an old
/// kernel or a sandbox. A sandbox may also answer `EPERM`.
fn is_an_answer(refused: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(refused),
        Some(Errno::SRCH | Errno::INVAL)
    )
}

/// Returns `false` if the kernel reaps the children of this process as they exit, or if that is
/// unknown.
fn keeps_zombies() -> bool {
    disposition().is_ok_and(|action| {
        action.sa_sigaction != libc::SIG_IGN && action.sa_flags & libc::SA_NOCLDWAIT == 0
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::process::ExitStatusExt;

    use super::*;
    use crate::look::child::tests::cat;

    #[test]
    fn a_signal_is_sent_only_after_a_look() {
        let mut child = cat();
        let pid = Pid::from(&child);
        let gone = || Err(WatchError::NoSuchProcess { pid, source: None });
        let refused = send(pid, libc::SIGKILL, gone);
        assert!(matches!(refused, Err(WatchError::NoSuchProcess { .. })));
        assert!(child.try_wait().unwrap().is_none(), "it lives");
        let refused = send(pid, 65, || Ok(()));
        assert!(matches!(refused, Err(WatchError::Os { .. })));
        send(pid, libc::SIGTERM, || Ok(())).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
        let refused = send(pid, 0, || Ok(()));
        assert!(matches!(refused, Err(WatchError::NoSuchProcess { .. })));
    }

    /// If the pid is reused after the look, a pidfd that was opened before it is still the child's.
    #[test]
    fn the_pidfd_is_open_during_the_look() {
        let mut child = cat();
        let pid = Pid::from(&child);
        let number = rustix::process::Pid::from_child(&child);
        if pidfd_open(number, PidfdFlags::empty()).is_ok() {
            let line = format!("Pid:\t{pid}\n");
            let has_pidfd = || {
                let files = fs::read_dir("/proc/self/fdinfo").unwrap();
                // Another test may close a file meanwhile.
                let mut texts = files.filter_map(|file| fs::read_to_string(file.ok()?.path()).ok());
                texts.any(|text| text.contains(&line))
            };
            let look = || {
                assert!(has_pidfd());
                Ok(())
            };
            send(pid, 0, look).unwrap();
            assert!(!has_pidfd(), "and closed after the call");
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn what_the_kernel_would_answer_anyway_is_no_reason_for_kill() {
        for errno in [Errno::SRCH, Errno::INVAL] {
            assert!(is_an_answer(&errno.into()));
        }
        for errno in [Errno::PERM, Errno::NOSYS, Errno::MFILE, Errno::NODEV] {
            assert!(!is_an_answer(&errno.into()));
        }
    }
}
