//! [`AutoWatcher`]: a ready choice for programs that do not want to choose.

use std::fmt;

use childwatch_core::source::{ThreadedWatcher, delegate_pid_watcher};
use childwatch_core::{FallbackWatcher, PidWatcher, WatchError};
use childwatch_sigchld::SigchldSource;

use crate::source::PidfdSource;
#[cfg(doc)]
use crate::watcher::PidfdWatcher;
#[cfg(doc)]
use childwatch_sigchld::SigchldWatcher;

/// A [`PidWatcher`] that takes what the kernel and the sandbox offer: pidfds for as many
/// processes as possible, and `SIGCHLD` for the rest.
///
/// It needs the feature `sigchld` of this crate:
///
/// ```console
/// $ cargo add childwatch-pidfd --features sigchld
/// ```
///
/// | the kernel and the sandbox offer | [`backends`](Self::backends) | threads |
/// |---|---|---|
/// | pidfds and `SIGCHLD` | [`Both`](Backends::Both): a [`FallbackWatcher`] | 2 |
/// | pidfds | [`Pidfd`](Backends::Pidfd): a [`PidfdWatcher`] | 1 |
/// | `SIGCHLD`, or no file descriptor is left for pidfds | [`Sigchld`](Backends::Sigchld): a [`SigchldWatcher`] | 1 |
///
/// With `Both`, the handler of `SIGCHLD` is installed when the first child cannot have a pidfd.
/// The documentation of `childwatch-sigchld` says what that changes in the process. For a program
/// that owns `SIGCHLD`, or that drives the watcher in its own loop, make a [`FallbackWatcher`].
///
/// # Examples
///
/// ```
/// use std::process::Command;
/// use std::time::Duration;
/// use childwatch_pidfd::{AutoWatcher, Pid, PidWatcherExt};
///
/// let watcher = AutoWatcher::new()?;
/// let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn()?;
/// let exit = watcher.wait_timeout(Pid::from(&child), Duration::from_secs(60))?;
/// assert_eq!(exit.unwrap().status().unwrap().code(), Some(3));
/// child.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A [`FallbackWatcher`] of the program's own:
///
/// ```
/// use childwatch_core::FallbackWatcher;
/// use childwatch_pidfd::PidfdSource;
/// use childwatch_sigchld::SigchldSource;
///
/// let watcher = FallbackWatcher::new(PidfdSource::new()?, SigchldSource::new()?)?;
/// assert_eq!(watcher.watched_by_secondary(), 0);
/// # Ok::<(), childwatch_core::WatchError>(())
/// ```
#[derive(Debug)]
pub struct AutoWatcher(Chosen);

#[derive(Debug)]
enum Chosen {
    Both(FallbackWatcher<PidfdSource, SigchldSource>),
    Pidfd(ThreadedWatcher<PidfdSource>),
    Sigchld(ThreadedWatcher<SigchldSource>),
}

/// What an [`AutoWatcher`] watches processes with. Its `Display` is for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backends {
    /// Pidfds for as many processes as possible, `SIGCHLD` for the rest.
    Both,
    /// Pidfds alone: the sandbox does not allow what `SIGCHLD` needs.
    Pidfd,
    /// `SIGCHLD` alone: the kernel or the sandbox does not offer pidfds, or no file descriptor was
    /// left. Only children can be watched.
    Sigchld,
}

impl AutoWatcher {
    /// Starts a watcher, which lasts until dropped.
    ///
    /// The choice is made once, here. If pidfds are refused later, for example by a sandbox that
    /// the program enters, [`Both`](Backends::Both) uses `SIGCHLD` from then on.
    ///
    /// # Errors
    ///
    /// Each error leaves nothing behind.
    ///
    /// - [`Unsupported`](WatchError::Unsupported) if neither pidfds nor `SIGCHLD` can be used.
    ///   This is the error of the pidfds.
    /// - [`ResourceLimit`](WatchError::ResourceLimit) if there is no memory, or no thread.
    /// - [`Os`](WatchError::Os) for anything else.
    pub fn new() -> Result<Self, WatchError> {
        AutoWatcher::choose(|source| source, |source| source)
    }

    /// As [`new`](Self::new), and the watcher returns the
    /// [resource usage](crate::Exit::resource_usage) of each child, as
    /// [`PidfdWatcher::with_resource_usage`] does.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn new_with_resource_usage() -> Result<Self, WatchError> {
        AutoWatcher::choose(
            PidfdSource::with_resource_usage,
            SigchldSource::with_resource_usage,
        )
    }

    fn choose(
        primary: impl FnOnce(PidfdSource) -> PidfdSource,
        secondary: impl FnOnce(SigchldSource) -> SigchldSource,
    ) -> Result<Self, WatchError> {
        let pidfds = match crate::probe().check() {
            Err(error @ WatchError::Unsupported { .. }) => Err(error),
            // A shortage may end, and until then processes spill.
            _ => PidfdSource::new(),
        };
        let pidfds = or_alternative(pidfds)?.map(|(source, waiter)| (primary(source), waiter));
        let signals = or_alternative(SigchldSource::new())?
            .map(|(source, waiter)| (secondary(source), waiter));
        Ok(AutoWatcher(match (pidfds, signals) {
            (Ok(primary), Ok(secondary)) => Chosen::Both(FallbackWatcher::new(primary, secondary)?),
            (Ok((source, waiter)), Err(_)) => {
                Chosen::Pidfd(ThreadedWatcher::start(source, waiter)?)
            }
            (Err(_), Ok((source, waiter))) => {
                Chosen::Sigchld(ThreadedWatcher::start(source, waiter)?)
            }
            (Err(error), Err(_)) => return Err(error),
        }))
    }

    /// Returns what this watcher watches processes with.
    #[must_use]
    pub const fn backends(&self) -> Backends {
        match self.0 {
            Chosen::Both(_) => Backends::Both,
            Chosen::Pidfd(_) => Backends::Pidfd,
            Chosen::Sigchld(_) => Backends::Sigchld,
        }
    }

    const fn chosen(&self) -> &dyn PidWatcher {
        match &self.0 {
            Chosen::Both(watcher) => watcher,
            Chosen::Pidfd(watcher) => watcher,
            Chosen::Sigchld(watcher) => watcher,
        }
    }
}

/// Separates the errors for which the other backend is an alternative from the rest.
fn or_alternative<T>(made: Result<T, WatchError>) -> Result<Result<T, WatchError>, WatchError> {
    match made {
        Ok(_) | Err(WatchError::Unsupported { .. } | WatchError::ResourceLimit { .. }) => Ok(made),
        Err(error) => Err(error),
    }
}

delegate_pid_watcher!(impl for AutoWatcher, |this| *this.chosen());

impl fmt::Display for Backends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backends::Both => "pidfd and SIGCHLD",
            Backends::Pidfd => "pidfd",
            Backends::Sigchld => "SIGCHLD",
        })
    }
}
