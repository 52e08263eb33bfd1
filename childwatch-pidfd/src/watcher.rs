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

    /// Starts a watcher that tells when a process has been **reaped**, and not when it has exited.
    ///
    /// This is the way to the status of a process that is not a child. When such a process exits,
    /// the kernel does not return its status. When its parent has reaped it, the kernel does, from
    /// Linux 6.15 on.
    ///
    /// Everything else is as with [`new`](Self::new): callbacks, futures, guards, handles. Where
    /// the [contract](crate::PidWatcher) says that a process has exited, read "has been reaped":
    ///
    /// - In the callback the pid is free, and may already be another process's. Send no signal to it.
    /// - For a process that is never reaped, no callback runs.
    /// - [`Exit::status`](crate::Exit::status) is `Some` from Linux 6.15 on, for children too, and
    ///   `None` before. [`Exit::resource_usage`](crate::Exit::resource_usage) is always `None`.
    /// - A child that the kernel reaps, because this program ignores `SIGCHLD`, is told as well.
    ///
    /// For both events of one process, make two watchers. To register exactly the
    /// process that you mean, register it [by its pidfd](crate::PidWatcher::register_pidfd).
    ///
    /// A watcher without a thread is made of its source:
    ///
    /// ```no_run
    /// use childwatch_pidfd::{DrivenWatcher, PidfdSource};
    ///
    /// let (source, waiter) = PidfdSource::until_reaped()?;
    /// let (watcher, driver) = DrivenWatcher::new(source, waiter);
    /// # Ok::<(), childwatch_pidfd::WatchError>(())
    /// ```
    ///
    /// `SIGCHLD` cannot tell this, because a reaping sends no signal.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and [`Unsupported`](WatchError::Unsupported) before Linux 6.9, which
    /// has no such event.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::Command;
    /// use std::time::Duration;
    /// use childwatch_pidfd::{Pid, PidWatcherExt, PidfdWatcher, WatchError};
    ///
    /// let watcher = match PidfdWatcher::until_reaped() {
    ///     Ok(watcher) => watcher,
    ///     // Before Linux 6.9.
    ///     Err(WatchError::Unsupported { .. }) => return Ok(()),
    ///     Err(error) => return Err(error.into()),
    /// };
    /// let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn()?;
    /// let (sender, reaped) = std::sync::mpsc::channel();
    /// watcher.on_exit(Pid::from(&child), move |exit| sender.send(exit).unwrap())?;
    /// assert!(reaped.try_recv().is_err(), "a zombie at most");
    /// child.wait()?;
    /// println!("{}", reaped.recv_timeout(Duration::from_secs(60))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn until_reaped() -> Result<Self, WatchError> {
        let (source, waiter) = PidfdSource::until_reaped()?;
        ThreadedWatcher::start(source, waiter).map(PidfdWatcher)
    }

    /// Lets the watcher return the resource usage of each child in
    /// [`Exit::resource_usage`](crate::Exit::resource_usage). It is for a watcher that has just
    /// been made: exits that are known already have none.
    ///
    /// The `waitid` that returns the status then returns the usage too, which takes about 0.7 µs
    /// more. A process that is not a child has no usage, and neither has a child that was
    /// reaped before the watcher looked.
    ///
    /// A watcher without a thread has [the same method](DrivenWatcher::with_resource_usage).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::Command;
    /// use std::time::Duration;
    /// use childwatch_pidfd::{Pid, PidWatcherExt, PidfdWatcher};
    ///
    /// let watcher = PidfdWatcher::new()?.with_resource_usage();
    /// let mut child = Command::new("true").spawn()?;
    /// let exit = watcher.wait_timeout(Pid::from(&child), Duration::from_secs(60))?.unwrap();
    /// if let Some(usage) = exit.resource_usage() {
    ///     println!("{exit}, {:?}, {} bytes", usage.processor_time(), usage.max_resident);
    /// }
    /// child.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_resource_usage(self) -> Self {
        PidfdWatcher(self.0.with_resource_usage())
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
