//! [`probe`]: what this kernel, sandbox and process offer.

use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};

use childwatch_core::WatchError;

use crate::listen::disposition::disposition;
use crate::listen::mask;
use crate::look::{child, proc};

pub use crate::look::proc::ProcView;

/// What this kernel, sandbox and process offer to watch children by `SIGCHLD`. [`probe`] returns
/// it. Its `Display` prints a line for each item.
#[derive(Debug)]
#[non_exhaustive]
pub struct Probe {
    /// `waitid` with `WNOWAIT` and `__WALL` (Linux 4.7). It is needed.
    pub waitid: io::Result<()>,
    /// What `SIGCHLD` does to this process now. The backend must be able to ask this.
    pub disposition: io::Result<Disposition>,
    /// `true` if `SIGCHLD` is blocked on the calling thread. A watcher still receives
    /// it: the watcher's thread unblocks it while it watches a child.
    pub is_blocked: bool,
    /// What `/proc` is to this process. It is not needed. Unless it is
    /// [`Own`](ProcView::Own), a reused pid is noticed only when the process that has it
    /// ends.
    pub proc: ProcView,
}

/// What a `SIGCHLD` does to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Disposition {
    /// Nothing. Children become zombies until they are waited for.
    Default,
    /// Nothing. The kernel reaps children by itself.
    Ignored,
    /// It calls a handler, which will be called with a watcher too.
    Handled,
}

/// Asks the kernel, without a fork and without changing anything.
#[must_use]
pub fn probe() -> Probe {
    Probe {
        waitid: child::check_waitid().map_err(io::Error::from),
        disposition: disposition().map(|action| Disposition::of(action.sa_sigaction)),
        is_blocked: mask::is_blocked(),
        proc: proc::view_with_mount(),
    }
}

impl Disposition {
    fn of(handler: libc::sighandler_t) -> Self {
        match handler {
            libc::SIG_DFL => Disposition::Default,
            libc::SIG_IGN => Disposition::Ignored,
            _ => Disposition::Handled,
        }
    }
}

impl Probe {
    /// Returns `Ok` if a [`SigchldWatcher`](crate::SigchldWatcher) can be made here.
    ///
    /// # Errors
    ///
    /// The error that [`SigchldWatcher::new`](crate::SigchldWatcher::new) would return.
    pub fn check(self) -> Result<(), WatchError> {
        let unsupported = |operation, source| WatchError::Unsupported {
            operation,
            pid: None,
            source,
        };
        self.waitid
            .map_err(|error| unsupported("waitid(WNOWAIT | __WALL)", error))?;
        self.disposition
            .map(drop)
            .map_err(|error| unsupported("rt_sigaction", error))
    }
}

// As for a `WatchError`: nothing changes the answers after they were given.
impl UnwindSafe for Probe {}
impl RefUnwindSafe for Probe {}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.waitid {
            Ok(()) => writeln!(f, "waitid(WNOWAIT)  yes  (needed)")?,
            Err(error) => writeln!(f, "waitid(WNOWAIT)  no   {error}; Linux 4.7, needed")?,
        }
        let blocked = if self.is_blocked {
            ", blocked on this thread"
        } else {
            ""
        };
        match &self.disposition {
            Ok(disposition) => {
                let does = match disposition {
                    Disposition::Default => "default action",
                    Disposition::Ignored => "ignored: the kernel reaps children",
                    Disposition::Handled => "has a handler, which will be called on",
                };
                writeln!(f, "SIGCHLD          yes  ({does}{blocked})")?;
            }
            Err(error) => writeln!(f, "SIGCHLD          no   {error}; needed")?,
        }
        let (answer, meaning) = match self.proc {
            ProcView::Own => ("yes", "tells a reused pid"),
            ProcView::Hidden => (
                "part",
                "hidepid: a reused pid of another user is noticed late",
            ),
            ProcView::Foreign => (
                "no ",
                "of another pid namespace: a reused pid is noticed late",
            ),
            ProcView::Missing => ("no ", "not readable: a reused pid is noticed late"),
        };
        write!(f, "/proc            {answer:<4} ({meaning})")
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_disposition_is_default_ignored_or_a_handler() {
        assert_eq!(Disposition::of(libc::SIG_DFL), Disposition::Default);
        assert_eq!(Disposition::of(libc::SIG_IGN), Disposition::Ignored);
        assert_eq!(Disposition::of(0x1000), Disposition::Handled);
    }

    #[test]
    fn each_item_has_its_line() {
        let probe = Probe {
            waitid: Ok(()),
            disposition: Ok(Disposition::Handled),
            is_blocked: true,
            proc: ProcView::Foreign,
        };
        assert_eq!(
            probe.to_string(),
            "waitid(WNOWAIT)  yes  (needed)\n\
             SIGCHLD          yes  \
             (has a handler, which will be called on, blocked on this thread)\n\
             /proc            no   (of another pid namespace: a reused pid is noticed late)"
        );
    }

    #[test]
    fn what_is_needed_and_refused_is_the_verdict() {
        let refused = Probe {
            waitid: Err(Errno::INVAL.into()),
            disposition: Ok(Disposition::Default),
            is_blocked: false,
            proc: ProcView::Missing,
        };
        let text = refused.to_string();
        assert!(text.contains("no   Invalid argument"), "{text}");
        let refused = refused.check();
        let Err(WatchError::Unsupported { operation, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(operation, "waitid(WNOWAIT | __WALL)");

        let refused = Probe {
            waitid: Ok(()),
            disposition: Err(Errno::PERM.into()),
            is_blocked: false,
            proc: ProcView::Missing,
        };
        let refused = refused.check();
        let Err(WatchError::Unsupported { operation, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(operation, "rt_sigaction");
    }
}
