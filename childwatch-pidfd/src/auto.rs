//! [`AutoWatcher`]: a ready choice for programs that do not want to choose.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use childwatch_core::source::{ExitSource, ThreadedWatcher, delegate_pid_watcher};
use childwatch_core::{
    DrivenFallback, DrivenWatcher, Driver, FallbackDriver, FallbackWatcher, PidWatcher, WatchError,
};
use childwatch_sigchld::{PollableSigchldSource, SigchldSource};

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
/// | the kernel and the sandbox offer | [`backends`](Self::backends) | threads, if it is not [driven](Self::driven) |
/// |---|---|---|
/// | pidfds and `SIGCHLD` | [`Both`](Backends::Both): a [`FallbackWatcher`] | 2 |
/// | pidfds | [`Pidfd`](Backends::Pidfd): a [`PidfdWatcher`] | 1 |
/// | `SIGCHLD`, or no file descriptor is left for pidfds | [`Sigchld`](Backends::Sigchld): a [`SigchldWatcher`] | 1 |
///
/// With `Both`, the handler of `SIGCHLD` is installed when the first child cannot have a pidfd.
/// The documentation of `childwatch-sigchld` says what that changes in the process. For a program
/// that owns `SIGCHLD`, make a [`FallbackWatcher`].
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
    DrivenBoth(DrivenFallback<PidfdSource, PollableSigchldSource>),
    DrivenPidfd(DrivenWatcher<PidfdSource>),
    DrivenSigchld(DrivenWatcher<PollableSigchldSource>),
}

/// What runs the callbacks of an [`AutoWatcher`] without a thread. It is used as a [`Driver`].
#[derive(Debug)]
pub struct AutoDriver(ChosenDriver);

#[derive(Debug)]
enum ChosenDriver {
    Both(FallbackDriver<PidfdSource, PollableSigchldSource>),
    Pidfd(Driver<PidfdSource>),
    Sigchld(Driver<PollableSigchldSource>),
}

/// The sources that can be made here, each with its waiter: one of them at least.
enum Made<S: ExitSource> {
    Both(
        (PidfdSource, <PidfdSource as ExitSource>::Waiter),
        (S, S::Waiter),
    ),
    Pidfd((PidfdSource, <PidfdSource as ExitSource>::Waiter)),
    Sigchld((S, S::Waiter)),
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
        Ok(AutoWatcher(match sources(SigchldSource::new)? {
            Made::Both(pidfds, signals) => Chosen::Both(FallbackWatcher::new(pidfds, signals)?),
            Made::Pidfd((source, waiter)) => Chosen::Pidfd(ThreadedWatcher::start(source, waiter)?),
            Made::Sigchld((source, waiter)) => {
                Chosen::Sigchld(ThreadedWatcher::start(source, waiter)?)
            }
        }))
    }

    /// Makes a watcher without a thread, and its driver. The program's loop drives it, as
    /// [`Driver`] describes.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::Command;
    /// use childwatch_pidfd::{AutoWatcher, PidWatcherExt};
    ///
    /// let (watcher, mut driver) = AutoWatcher::driven()?;
    /// let (mut child, _handle) = watcher.spawn_watched(&mut Command::new("true"), |exit| {
    ///     println!("{exit}");
    /// })?;
    /// // A loop with other work polls the driver, and drives when it is readable.
    /// while driver.drive(None)? == 0 {}
    /// child.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn driven() -> Result<(Self, AutoDriver), WatchError> {
        let (watcher, driver) = match sources(SigchldSource::pollable)? {
            Made::Both(pidfds, signals) => {
                let (watcher, driver) = FallbackWatcher::driven(pidfds, signals)?;
                (Chosen::DrivenBoth(watcher), ChosenDriver::Both(driver))
            }
            Made::Pidfd((source, waiter)) => {
                let (watcher, driver) = DrivenWatcher::new(source, waiter);
                (Chosen::DrivenPidfd(watcher), ChosenDriver::Pidfd(driver))
            }
            Made::Sigchld((source, waiter)) => {
                let (watcher, driver) = DrivenWatcher::new(source, waiter);
                (
                    Chosen::DrivenSigchld(watcher),
                    ChosenDriver::Sigchld(driver),
                )
            }
        };
        Ok((AutoWatcher(watcher), AutoDriver(driver)))
    }

    /// Lets the watcher return the resource usage of each child, as
    /// [`PidfdWatcher::with_resource_usage`] does.
    #[must_use]
    pub fn with_resource_usage(self) -> Self {
        AutoWatcher(match self.0 {
            Chosen::Both(watcher) => Chosen::Both(watcher.with_resource_usage()),
            Chosen::Pidfd(watcher) => Chosen::Pidfd(watcher.with_resource_usage()),
            Chosen::Sigchld(watcher) => Chosen::Sigchld(watcher.with_resource_usage()),
            Chosen::DrivenBoth(watcher) => Chosen::DrivenBoth(watcher.with_resource_usage()),
            Chosen::DrivenPidfd(watcher) => Chosen::DrivenPidfd(watcher.with_resource_usage()),
            Chosen::DrivenSigchld(watcher) => Chosen::DrivenSigchld(watcher.with_resource_usage()),
        })
    }

    /// Returns what this watcher watches processes with.
    #[must_use]
    pub const fn backends(&self) -> Backends {
        match self.0 {
            Chosen::Both(_) | Chosen::DrivenBoth(_) => Backends::Both,
            Chosen::Pidfd(_) | Chosen::DrivenPidfd(_) => Backends::Pidfd,
            Chosen::Sigchld(_) | Chosen::DrivenSigchld(_) => Backends::Sigchld,
        }
    }

    const fn chosen(&self) -> &dyn PidWatcher {
        match &self.0 {
            Chosen::Both(watcher) => watcher,
            Chosen::Pidfd(watcher) => watcher,
            Chosen::Sigchld(watcher) => watcher,
            Chosen::DrivenBoth(watcher) => watcher,
            Chosen::DrivenPidfd(watcher) => watcher,
            Chosen::DrivenSigchld(watcher) => watcher,
        }
    }
}

impl AutoDriver {
    /// As [`Driver::drive`].
    ///
    /// # Errors
    ///
    /// As [`Driver::drive`].
    pub fn drive(&mut self, timeout: Option<Duration>) -> Result<usize, WatchError> {
        match &mut self.0 {
            ChosenDriver::Both(driver) => driver.drive(timeout),
            ChosenDriver::Pidfd(driver) => driver.drive(timeout),
            ChosenDriver::Sigchld(driver) => driver.drive(timeout),
        }
    }
}

/// As that of a [`Driver`].
impl AsFd for AutoDriver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            ChosenDriver::Both(driver) => driver.as_fd(),
            ChosenDriver::Pidfd(driver) => driver.as_fd(),
            ChosenDriver::Sigchld(driver) => driver.as_fd(),
        }
    }
}

/// As that of a [`Driver`].
impl AsRawFd for AutoDriver {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Makes the sources that the kernel and the sandbox offer.
fn sources<S: ExitSource>(
    signals: impl FnOnce() -> Result<(S, S::Waiter), WatchError>,
) -> Result<Made<S>, WatchError> {
    let pidfds = match crate::probe().check() {
        Err(error @ WatchError::Unsupported { .. }) => Err(error),
        // A shortage may end, and until then processes spill.
        _ => PidfdSource::new(),
    };
    Ok(
        match (or_alternative(pidfds)?, or_alternative(signals())?) {
            (Ok(pidfds), Ok(signals)) => Made::Both(pidfds, signals),
            (Ok(pidfds), Err(_)) => Made::Pidfd(pidfds),
            (Err(_), Ok(signals)) => Made::Sigchld(signals),
            (Err(error), Err(_)) => return Err(error),
        },
    )
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
