//! [`PidfdWatcher`]: the engine over a [`PidfdSource`].

use childwatch_core::WatchError;
use childwatch_core::source::{ThreadedWatcher, delegate_pid_watcher};

use crate::source::PidfdSource;

/// A [`PidWatcher`](crate::PidWatcher) that holds a pidfd for each process; see the
/// [crate's documentation](crate) for its cost and its kernels.
#[derive(Debug)]
pub struct PidfdWatcher(ThreadedWatcher<PidfdSource>);

impl PidfdWatcher {
    /// Starts a watcher, which lasts until dropped.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](WatchError::Unsupported) where kernel or sandbox do not
    /// offer pidfds, as [`probe`](crate::probe) tells in more words;
    /// [`ResourceLimit`](WatchError::ResourceLimit) when out of file descriptors,
    /// memory or threads; [`Os`](WatchError::Os) for anything else. Nothing is
    /// left behind.
    pub fn new() -> Result<Self, WatchError> {
        crate::probe().check()?;
        let (source, waiter) = PidfdSource::new()?;
        ThreadedWatcher::start(source, waiter).map(PidfdWatcher)
    }
}

delegate_pid_watcher!(impl for PidfdWatcher, |this| this.0);
