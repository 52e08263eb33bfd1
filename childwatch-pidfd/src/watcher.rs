//! [`PidfdWatcher`]: the engine over a [`PidfdSource`].

use childwatch_core::source::{ThreadedWatcher, delegate_pid_watcher};
use childwatch_core::{DrivenWatcher, Driver, WatchError};

use crate::source::PidfdSource;

/// A [`PidWatcher`](crate::PidWatcher) that holds a pidfd for each process. The
/// [crate's documentation](crate) describes its cost and its kernels.
#[derive(Debug)]
pub struct PidfdWatcher(ThreadedWatcher<PidfdSource>);

impl PidfdWatcher {
    /// Starts a watcher, which lasts until dropped.
    ///
    /// # Errors
    ///
    /// Each error leaves nothing behind.
    ///
    /// - [`Unsupported`](WatchError::Unsupported) if the kernel or a sandbox does not offer
    ///   pidfds. [`probe`](crate::probe) returns the details.
    /// - [`ResourceLimit`](WatchError::ResourceLimit) if there are no file descriptors, memory
    ///   or threads.
    /// - [`Os`](WatchError::Os) for anything else.
    pub fn new() -> Result<Self, WatchError> {
        crate::probe().check()?;
        let (source, waiter) = PidfdSource::new()?;
        ThreadedWatcher::start(source, waiter).map(PidfdWatcher)
    }

    /// Makes a watcher without a thread, and its [`Driver`]. The program's loop drives it.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::Command;
    /// use childwatch_pidfd::{Pid, PidWatcherExt, PidfdWatcher};
    ///
    /// let (watcher, mut driver) = PidfdWatcher::driven()?;
    /// let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn()?;
    /// watcher.on_exit(Pid::from(&child), |exit| println!("{exit}"))?;
    /// // A loop with other work polls `driver.as_fd()`, and drives when it is readable.
    /// while driver.drive(None)? == 0 {}
    /// child.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn driven() -> Result<(DrivenWatcher<PidfdSource>, Driver<PidfdSource>), WatchError> {
        crate::probe().check()?;
        let (source, waiter) = PidfdSource::new()?;
        Ok(DrivenWatcher::new(source, waiter))
    }
}

delegate_pid_watcher!(impl for PidfdWatcher, |this| this.0);
