//! [`probe`]: what this kernel, sandbox and process offer.

use std::fmt;
use std::io;

use childwatch_core::WatchError;
use rustix::io::Errno;

use crate::{child, handler};

/// What there is for watching children by `SIGCHLD`. [`probe`] makes it; its
/// `Display` is a line an item.
#[derive(Debug)]
#[non_exhaustive]
pub struct Probe {
    /// `waitid` with `WNOWAIT` and `__WALL` (Linux 4.7): needed.
    pub waitid: io::Result<()>,
    /// What `SIGCHLD` does to this process now; to be able to ask is needed.
    pub disposition: io::Result<Disposition>,
    /// Whether `SIGCHLD` is blocked on the thread that asks. It does not matter to
    /// a watcher, whose own thread lets it through.
    pub is_blocked: bool,
}

/// What a `SIGCHLD` does to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disposition {
    /// Nothing; children become zombies until they are waited for.
    Default,
    /// Nothing; the kernel reaps children by itself.
    Ignored,
    /// It calls a handler, which a watcher will go on calling.
    Handled,
}

/// Asks the kernel, without a fork and without changing anything.
#[must_use]
pub fn probe() -> Probe {
    Probe {
        waitid: match child::first_zombie() {
            Ok(_) | Err(Errno::CHILD) => Ok(()),
            Err(errno) => Err(errno.into()),
        },
        disposition: handler::disposition().map(|action| Disposition::of(action.sa_sigaction)),
        is_blocked: handler::is_blocked_on_this_thread(),
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
    /// Whether a [`SigchldWatcher`](crate::SigchldWatcher) can be made here.
    ///
    /// # Errors
    ///
    /// The error that [`SigchldWatcher::new`](crate::SigchldWatcher::new) would give.
    pub fn verdict(self) -> Result<(), WatchError> {
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
                write!(f, "SIGCHLD          yes  ({does}{blocked})")
            }
            Err(error) => write!(f, "SIGCHLD          no   {error}; needed"),
        }
    }
}

#[cfg(test)]
mod tests {
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
        };
        assert_eq!(
            probe.to_string(),
            "waitid(WNOWAIT)  yes  (needed)\n\
             SIGCHLD          yes  \
             (has a handler, which will be called on, blocked on this thread)"
        );
    }

    #[test]
    fn what_is_needed_and_refused_is_the_verdict() {
        let refused = Probe {
            waitid: Err(Errno::INVAL.into()),
            disposition: Ok(Disposition::Default),
            is_blocked: false,
        };
        let text = refused.to_string();
        assert!(text.contains("no   Invalid argument"), "{text}");
        let refused = refused.verdict();
        let Err(WatchError::Unsupported { operation, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(operation, "waitid(WNOWAIT | __WALL)");

        let refused = Probe {
            waitid: Ok(()),
            disposition: Err(Errno::PERM.into()),
            is_blocked: false,
        };
        let refused = refused.verdict();
        let Err(WatchError::Unsupported { operation, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(operation, "rt_sigaction");
    }
}
