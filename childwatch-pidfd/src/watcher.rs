//! [`PidfdWatcher`]: the engine over a [`PidfdSource`].

use childwatch_core::WatchError;
use childwatch_core::source::{ThreadedWatcher, delegate_pid_watcher};

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
}

delegate_pid_watcher!(impl for PidfdWatcher, |this| this.0);
