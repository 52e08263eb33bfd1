//! [`SigchldWatcher`]: the engine over a [`SigchldSource`].

use childwatch_core::{ThreadedWatcher, WatchError, delegate_pid_watcher};

use crate::source::SigchldSource;

/// A [`PidWatcher`](crate::PidWatcher) of children that hears `SIGCHLD`; see the
/// [crate's documentation](crate) for what is global to the process, and where it
/// differs.
#[derive(Debug)]
pub struct SigchldWatcher(ThreadedWatcher<SigchldSource>);

impl SigchldWatcher {
    /// Starts a watcher, which lasts until dropped. The first in a process installs
    /// a handler of `SIGCHLD`, which stays.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](WatchError::Unsupported) where kernel or sandbox do not let
    /// children be looked at or the handler be set;
    /// [`ResourceLimit`](WatchError::ResourceLimit) when no thread can be had.
    pub fn new() -> Result<Self, WatchError> {
        let (source, waiter) = SigchldSource::new()?;
        source.hear_signals(None)?;
        ThreadedWatcher::start(source, waiter).map(SigchldWatcher)
    }
}

delegate_pid_watcher!(impl for SigchldWatcher, |this| this.0);
