//! [`probe`]: what this kernel and sandbox offer.

use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};

use childwatch_core::WatchError;
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use crate::errno::{self, Call};
use crate::offered::THREAD;
use crate::{info, zombie};

/// The answers of this kernel and sandbox to the system calls that the backend needs. [`probe`]
/// returns it. Its `Display` prints a line for each call.
#[derive(Debug)]
#[non_exhaustive]
pub struct Probe {
    /// `pidfd_open` (Linux 5.3). It is needed.
    pub pidfd_open: io::Result<()>,
    /// `waitid(P_PIDFD)` (Linux 5.4). It is needed. Without a pidfd it is not tried.
    pub waitid_pidfd: io::Result<()>,
    /// `PIDFD_GET_INFO` (Linux 6.13, with statuses from 6.15 on). It returns the status of a
    /// process that somebody else has reaped.
    pub get_info: io::Result<()>,
    /// The event of a pidfd when its process is reaped (Linux 6.9).
    /// [`PidfdWatcher::until_reaped`](crate::PidfdWatcher::until_reaped) needs it.
    pub reaping: io::Result<()>,
}

/// Asks the kernel what it offers, without a fork and without leaving anything behind. The call
/// opens a pidfd of this process and waits for it. The kernel must answer that it is no child.
#[must_use]
pub fn probe() -> Probe {
    match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(pidfd) => Probe {
            pidfd_open: Ok(()),
            waitid_pidfd: zombie::check_waitid(&pidfd).map_err(io::Error::from),
            get_info: info::check(&pidfd).map_err(io::Error::from),
            reaping: tells_reaping(),
        },
        Err(errno) => Probe {
            pidfd_open: Err(errno.into()),
            waitid_pidfd: Err(not_asked()),
            get_info: Err(not_asked()),
            reaping: Err(not_asked()),
        },
    }
}

/// The event itself cannot be asked for without a process that is reaped. The pidfds of threads
/// came with the same release.
fn tells_reaping() -> io::Result<()> {
    pidfd_open(getpid(), PidfdFlags::from_bits_retain(THREAD.bits()))?;
    Ok(())
}

impl Probe {
    /// Returns `Ok` if a [`PidfdWatcher`](crate::PidfdWatcher) can be made here.
    ///
    /// # Errors
    ///
    /// The error that [`PidfdWatcher::new`](crate::PidfdWatcher::new) would return.
    pub fn check(self) -> Result<(), WatchError> {
        self.pidfd_open
            .map_err(|error| errno::refuse(None, Call::PidfdOpen, error))?;
        self.waitid_pidfd
            .map_err(|error| errno::refuse(None, Call::WaitidPidfd, error))
    }

    /// Returns `Ok` if a watcher can be made that tells when a process has been reaped.
    ///
    /// # Errors
    ///
    /// The error that [`PidfdWatcher::until_reaped`](crate::PidfdWatcher::until_reaped) would
    /// return.
    pub fn check_until_reaped(mut self) -> Result<(), WatchError> {
        let reaping = std::mem::replace(&mut self.reaping, Ok(()));
        self.check()?;
        reaping.map_err(|error| errno::refuse(None, Call::Reaping, error))
    }
}

// As for a `WatchError`: nothing changes the answers after they were given.
impl UnwindSafe for Probe {}
impl RefUnwindSafe for Probe {}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            (Call::PidfdOpen, &self.pidfd_open, "Linux 5.3", "needed"),
            (Call::WaitidPidfd, &self.waitid_pidfd, "Linux 5.4", "needed"),
            (
                Call::GetInfo,
                &self.get_info,
                "Linux 6.13",
                "status after somebody else's reaping, from 6.15",
            ),
            (
                Call::Reaping,
                &self.reaping,
                "Linux 6.9",
                "told when reaped",
            ),
        ];
        for (row, (call, answer, since, purpose)) in rows.into_iter().enumerate() {
            if row > 0 {
                writeln!(f)?;
            }
            let call = call.name();
            match answer {
                Ok(()) => write!(f, "{call:<19} yes  ({purpose})")?,
                Err(error) => write!(f, "{call:<19} no   {error}; {since}, {purpose}")?,
            }
        }
        Ok(())
    }
}

fn not_asked() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "not asked, without a pidfd")
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_refused_call_stands_in_its_line_with_the_reason() {
        let probe = Probe {
            pidfd_open: Ok(()),
            waitid_pidfd: Ok(()),
            get_info: Err(Errno::NOTTY.into()),
            reaping: Err(Errno::INVAL.into()),
        };
        let text = probe.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].starts_with("pidfd_open          yes"));
        assert!(lines[2].contains("no   Inappropriate ioctl"), "{text}");
        assert!(probe.check().is_ok());
    }

    #[test]
    fn what_is_needed_and_refused_is_the_verdict() {
        let probe = |pidfd_open, waitid_pidfd| Probe {
            pidfd_open,
            waitid_pidfd,
            get_info: Ok(()),
            reaping: Err(Errno::INVAL.into()),
        };
        let refused = probe(Err(Errno::NOSYS.into()), Err(not_asked())).check();
        let Err(WatchError::Unsupported { operation, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(operation, "pidfd_open");
        let refused = probe(Ok(()), Err(Errno::INVAL.into())).check();
        let Err(WatchError::Unsupported { operation, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(operation, "waitid(P_PIDFD)");
        assert!(probe(Ok(()), Ok(())).check().is_ok());
        let refused = probe(Ok(()), Ok(())).check_until_reaped();
        let Err(WatchError::Unsupported { operation, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(operation, "EPOLLHUP of a pidfd");
    }
}
