//! [`SigchldWatcher`]: the engine over a [`SigchldSource`].

use childwatch_core::WatchError;
use childwatch_core::source::{ThreadedWatcher, delegate_pid_watcher};

use crate::listen::forwarder::Forwarder;
use crate::source::SigchldSource;

/// A [`PidWatcher`](crate::PidWatcher) of children that receives `SIGCHLD`.
///
/// The [crate's documentation](crate) says what is global to the process, and where this
/// watcher differs from others.
#[derive(Debug)]
pub struct SigchldWatcher(ThreadedWatcher<SigchldSource>);

impl SigchldWatcher {
    /// Starts a watcher, which lasts until dropped.
    ///
    /// The first child that is watched in a process installs a handler of `SIGCHLD`, which
    /// stays.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](WatchError::Unsupported) if the kernel or a sandbox does not allow
    /// to look at children or at the disposition of `SIGCHLD`;
    /// [`ResourceLimit`](WatchError::ResourceLimit) if the thread cannot be created.
    pub fn new() -> Result<Self, WatchError> {
        let (source, waiter) = SigchldSource::new()?;
        ThreadedWatcher::start(source, waiter).map(SigchldWatcher)
    }

    /// Starts a watcher that installs no handler and touches no mask, for a program that
    /// owns `SIGCHLD`. The program passes each signal on through the [`Forwarder`].
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_forwarder() -> Result<(Self, Forwarder), WatchError> {
        let ((source, waiter), forwarder) = SigchldSource::with_forwarder()?;
        let watcher = ThreadedWatcher::start(source, waiter).map(SigchldWatcher)?;
        Ok((watcher, forwarder))
    }
}

delegate_pid_watcher!(impl for SigchldWatcher, |this| this.0);
