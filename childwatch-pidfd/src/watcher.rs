//! [`PidfdWatcher`]: the engine over a [`PidfdSource`].

use std::sync::Weak;

use childwatch_core::{
    CallbackCanceller, ExitCallback, Pid, PidWatcher, ThreadedWatcher, Unregistered, WatchError,
    WatchHandle,
};

use crate::source::PidfdSource;

/// A [`PidWatcher`] that holds a pidfd for each process; see the
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
        crate::probe().verdict()?;
        let (source, waiter) = PidfdSource::new()?;
        ThreadedWatcher::start(source, waiter).map(PidfdWatcher)
    }
}

impl PidWatcher for PidfdWatcher {
    fn register_pid(&self, pid: Pid) -> Result<(), WatchError> {
        self.0.register_pid(pid)
    }
    fn unregister_pid(&self, pid: Pid) {
        self.0.unregister_pid(pid);
    }
    fn register_callback(
        &self,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        self.0.register_callback(pid, callback)
    }
    fn unregister_callback(&self, handle: WatchHandle) -> Unregistered {
        self.0.unregister_callback(handle)
    }
    fn watch(&self, pid: Pid, callback: ExitCallback) -> Result<WatchHandle, WatchError> {
        self.0.watch(pid, callback)
    }
    fn canceller(&self) -> Option<Weak<dyn CallbackCanceller>> {
        self.0.canceller()
    }
}
