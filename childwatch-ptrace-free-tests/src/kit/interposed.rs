//! [`Interposed`]: a watcher whose `register_pid` a case has in its hands.

use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};

use childwatch_core::{Exit, ExitCallback, Pid, PidWatcher, Unregistered, WatchError, WatchHandle};

/// A watcher whose `register_pid` is the case's own. Its `watch` begins with that, and the other
/// methods are those of the watcher behind it.
pub(crate) struct Interposed<'a, F> {
    watcher: &'a dyn PidWatcher,
    register: F,
}

impl<'a, F> Interposed<'a, F>
where
    F: Fn(&dyn PidWatcher, Pid) -> Result<(), WatchError> + Send + Sync,
{
    /// `register` is given the watcher behind and the pid.
    pub(crate) fn new(watcher: &'a dyn PidWatcher, register: F) -> Self {
        Interposed { watcher, register }
    }
}

impl<F> PidWatcher for Interposed<'_, F>
where
    F: Fn(&dyn PidWatcher, Pid) -> Result<(), WatchError> + Send + Sync,
{
    fn register_pid(&self, pid: Pid) -> Result<(), WatchError> {
        (self.register)(self.watcher, pid)
    }

    fn unregister_pid(&self, pid: Pid) {
        self.watcher.unregister_pid(pid);
    }

    fn register_callback(
        &self,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        self.watcher.register_callback(pid, callback)
    }

    fn unregister_callback(&self, handle: WatchHandle) -> Unregistered {
        self.watcher.unregister_callback(handle)
    }

    fn try_wait(&self, pid: Pid) -> Result<Option<Exit>, WatchError> {
        self.watcher.try_wait(pid)
    }

    fn watch(&self, pid: Pid, callback: ExitCallback) -> Result<WatchHandle, WatchError> {
        self.register_pid(pid)?;
        let watched = self.watcher.watch(pid, callback);
        self.unregister_pid(pid);
        watched
    }

    fn register_pidfd(&self, pidfd: BorrowedFd<'_>) -> Result<Pid, WatchError> {
        self.watcher.register_pidfd(pidfd)
    }

    fn watch_pidfd(
        &self,
        pidfd: BorrowedFd<'_>,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        self.watcher.watch_pidfd(pidfd, callback)
    }

    fn pidfd(&self, pid: Pid) -> Result<OwnedFd, WatchError> {
        self.watcher.pidfd(pid)
    }

    fn send_signal(&self, pid: Pid, signal: i32) -> Result<(), WatchError> {
        self.watcher.send_signal(pid, signal)
    }
}

impl<F> fmt::Debug for Interposed<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Interposed").field(&self.watcher).finish()
    }
}
