//! [`SigchldWatcher`]: the engine over a [`SigchldSource`].

use childwatch_core::source::{ThreadedWatcher, delegate_pid_watcher};
use childwatch_core::{DrivenWatcher, Driver, WatchError};

use crate::listen::forwarder::Forwarder;
use crate::pollable::PollableSigchldSource;
use crate::source::SigchldSource;

/// A [`PidWatcher`](crate::PidWatcher) of children that receives `SIGCHLD`.
///
/// The [crate's documentation](crate) describes what is global to the process, and where this
/// watcher differs from others.
#[derive(Debug)]
pub struct SigchldWatcher(ThreadedWatcher<SigchldSource>);

impl SigchldWatcher {
    /// Starts a watcher, which lasts until dropped.
    ///
    /// When the first child is watched, a handler of `SIGCHLD` is installed, which stays.
    ///
    /// # Errors
    ///
    /// - [`Unsupported`](WatchError::Unsupported) if the kernel or a sandbox does not allow to
    ///   look at children or at the disposition of `SIGCHLD`, or forbids threads.
    /// - [`ResourceLimit`](WatchError::ResourceLimit) if no thread can be created at the moment.
    /// - [`Os`](WatchError::Os) for anything else.
    pub fn new() -> Result<Self, WatchError> {
        let (source, waiter) = SigchldSource::new()?;
        ThreadedWatcher::start(source, waiter).map(SigchldWatcher)
    }

    /// Starts a watcher for a program that owns `SIGCHLD`. It installs no handler, and changes
    /// no mask of the signal. The program passes each signal on through the [`Forwarder`].
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_forwarder() -> Result<(Self, Forwarder), WatchError> {
        let ((source, waiter), forwarder) = SigchldSource::with_forwarder()?;
        let watcher = ThreadedWatcher::start(source, waiter).map(SigchldWatcher)?;
        Ok((watcher, forwarder))
    }

    /// Lets the watcher return the resource usage of each child in
    /// [`Exit::resource_usage`](childwatch_core::Exit::resource_usage). It is for a watcher that
    /// has just been made: exits that are known already have none.
    ///
    /// The `waitid` that returns the status then returns the usage too, which takes about
    /// 0.7 µs more. A child that was reaped before the watcher looked has no usage, even if a
    /// signal has brought its status.
    ///
    /// A watcher without a thread has [the same method](DrivenWatcher::with_resource_usage).
    #[must_use]
    pub fn with_resource_usage(self) -> Self {
        SigchldWatcher(self.0.with_resource_usage())
    }

    /// Makes a watcher without a thread, and its [`Driver`]. The program's loop drives it.
    ///
    /// As with [`new`](Self::new), the first child that is watched in a process installs a
    /// handler of `SIGCHLD`. No mask is changed. So the signal must be unblocked on some thread
    /// of the program, or else exits are reported by the heartbeat.
    ///
    /// # Errors
    ///
    /// As [`SigchldSource::pollable`].
    pub fn driven() -> Result<Driven, WatchError> {
        let (source, waiter) = SigchldSource::pollable()?;
        Ok(DrivenWatcher::new(source, waiter))
    }

    /// As [`driven`](Self::driven), for a program that owns `SIGCHLD`. The program passes each
    /// signal on through the [`Forwarder`].
    ///
    /// # Errors
    ///
    /// As [`SigchldSource::pollable_with_forwarder`].
    pub fn driven_with_forwarder() -> Result<(Driven, Forwarder), WatchError> {
        let ((source, waiter), forwarder) = SigchldSource::pollable_with_forwarder()?;
        Ok((DrivenWatcher::new(source, waiter), forwarder))
    }
}

type Driven = (
    DrivenWatcher<PollableSigchldSource>,
    Driver<PollableSigchldSource>,
);

delegate_pid_watcher!(impl for SigchldWatcher, |this| this.0);
