//! [`AutoWatcher`]: a ready choice for programs that do not want to choose.

use std::fmt;

use childwatch_core::source::delegate_pid_watcher;
use childwatch_core::{FallbackWatcher, PidWatcher, WatchError};
use childwatch_sigchld::{SigchldSource, SigchldWatcher};

use crate::source::PidfdSource;
use crate::watcher::PidfdWatcher;

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
#[derive(Debug)]
pub struct AutoWatcher(Chosen);

#[derive(Debug)]
enum Chosen {
    Both(FallbackWatcher<PidfdSource, SigchldSource>),
    Pidfd(PidfdWatcher),
    Sigchld(SigchldWatcher),
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
        Self::make(false)
    }

    /// As [`new`](Self::new), and the watcher returns the resource usage of each child in
    /// [`Exit::resource_usage`](crate::Exit::resource_usage). See
    /// [`PidfdWatcher::with_resource_usage`].
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn new_with_resource_usage() -> Result<Self, WatchError> {
        Self::make(true)
    }

    fn make(asks_for_usage: bool) -> Result<Self, WatchError> {
        let pidfds = match crate::probe().check() {
            Err(error @ WatchError::Unsupported { .. }) => Err(error),
            // A shortage may end, and until then processes spill.
            _ => PidfdSource::new(),
        };
        let chosen = match (
            or_alternative(pidfds)?,
            or_alternative(SigchldSource::new())?,
        ) {
            (Ok((primary, waiter)), Ok((secondary, waiting))) if asks_for_usage => {
                let primary = (primary.with_resource_usage(), waiter);
                let secondary = (secondary.with_resource_usage(), waiting);
                Chosen::Both(FallbackWatcher::new(primary, secondary)?)
            }
            (Ok(primary), Ok(secondary)) => Chosen::Both(FallbackWatcher::new(primary, secondary)?),
            (Ok(_), Err(_)) if asks_for_usage => {
                Chosen::Pidfd(PidfdWatcher::new()?.with_resource_usage())
            }
            (Ok(_), Err(_)) => Chosen::Pidfd(PidfdWatcher::new()?),
            (Err(_), Ok(_)) if asks_for_usage => {
                Chosen::Sigchld(SigchldWatcher::new()?.with_resource_usage())
            }
            (Err(_), Ok(_)) => Chosen::Sigchld(SigchldWatcher::new()?),
            (Err(error), Err(_)) => return Err(error),
        };
        Ok(AutoWatcher(chosen))
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
