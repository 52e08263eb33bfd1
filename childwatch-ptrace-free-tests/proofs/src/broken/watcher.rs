//! A good watcher with one method gone wrong.

use std::fmt::{self, Debug};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

use childwatch_core::source::Canceller;
use childwatch_core::{Exit, ExitCallback, Pid, PidWatcher, Unregistered, WatchError, WatchHandle};

use super::seldom::Calls;
use crate::backends::Pidfd;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::kit::locked::lock;

/// What a watcher does wrong: one method, as a rule. The others are the good watcher's.
pub(super) trait WatcherFault: Debug + Send + Sync + 'static {
    fn register_pid(&self, good: &dyn PidWatcher, pid: Pid) -> Result<(), WatchError> {
        good.register_pid(pid)
    }

    fn unregister_pid(&self, good: &dyn PidWatcher, pid: Pid) {
        good.unregister_pid(pid);
    }

    fn register_callback(
        &self,
        good: &dyn PidWatcher,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        self.add(pid, callback, &|callback| {
            good.register_callback(pid, callback)
        })
    }

    fn unregister_callback(&self, good: &dyn PidWatcher, handle: WatchHandle) -> Unregistered {
        good.unregister_callback(handle)
    }

    fn watch(
        &self,
        good: &dyn PidWatcher,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        self.add(pid, callback, &|callback| good.watch(pid, callback))
    }

    fn try_wait(&self, good: &dyn PidWatcher, pid: Pid) -> Result<Option<Exit>, WatchError> {
        good.try_wait(pid)
    }

    fn register_pidfd(
        &self,
        good: &dyn PidWatcher,
        pidfd: BorrowedFd<'_>,
    ) -> Result<Pid, WatchError> {
        good.register_pidfd(pidfd)
    }

    fn watch_pidfd(
        &self,
        good: &dyn PidWatcher,
        pidfd: BorrowedFd<'_>,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        good.watch_pidfd(pidfd, callback)
    }

    fn pidfd(&self, good: &dyn PidWatcher, pid: Pid) -> Result<OwnedFd, WatchError> {
        good.pidfd(pid)
    }

    fn send_signal(&self, good: &dyn PidWatcher, pid: Pid, signal: i32) -> Result<(), WatchError> {
        good.send_signal(pid, signal)
    }

    /// What `register_callback` and `watch` have in common: `good` is the good
    /// watcher's method.
    fn add(
        &self,
        pid: Pid,
        callback: ExitCallback,
        good: &dyn Fn(ExitCallback) -> Result<WatchHandle, WatchError>,
    ) -> Result<WatchHandle, WatchError> {
        good(self.wrap(pid, callback))
    }

    /// The callback that the good watcher is given in the place of the user's.
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        callback
    }

    /// The watcher's `Drop`.
    fn end(&self, good: Box<dyn PidWatcher>) {
        drop(good);
    }
}

/// A callback that somebody else than its watcher has too, until it runs.
pub(super) struct Shared(Mutex<Option<ExitCallback>>);

impl Shared {
    pub(super) fn new(callback: ExitCallback) -> Arc<Self> {
        Arc::new(Shared(Mutex::new(Some(callback))))
    }

    /// The watcher's.
    pub(super) fn callback(self: &Arc<Self>) -> ExitCallback {
        let shared = Arc::clone(self);
        Box::new(move |exit| {
            if let Some(callback) = shared.take() {
                callback(exit);
            }
        })
    }

    pub(super) fn take(&self) -> Option<ExitCallback> {
        lock(&self.0).take()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// A pidfd watcher with a fault.
pub(super) fn with<F: WatcherFault + Default>() -> Result<Box<dyn PidWatcher>, WatchError> {
    Ok(Box::new(FaultyWatcher {
        fault: F::default(),
        calls: Calls::default(),
        good: Some(Pidfd.watcher()?),
    }))
}

#[derive(Debug)]
struct FaultyWatcher<F: WatcherFault> {
    fault: F,
    calls: Calls,
    /// `None` once `drop` has begun.
    good: Option<Box<dyn PidWatcher>>,
}

/// Every method is the good watcher's.
#[derive(Debug)]
struct NoFault;

impl WatcherFault for NoFault {}

impl<F: WatcherFault> FaultyWatcher<F> {
    fn good(&self) -> &dyn PidWatcher {
        self.good.as_deref().expect("nobody calls after the end")
    }

    fn fault(&self) -> &dyn WatcherFault {
        if self.calls.is_wrong_now() {
            &self.fault
        } else {
            &NoFault
        }
    }
}

impl<F: WatcherFault> PidWatcher for FaultyWatcher<F> {
    fn register_pid(&self, pid: Pid) -> Result<(), WatchError> {
        self.fault().register_pid(self.good(), pid)
    }

    fn unregister_pid(&self, pid: Pid) {
        self.fault().unregister_pid(self.good(), pid);
    }

    fn register_callback(
        &self,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        self.fault().register_callback(self.good(), pid, callback)
    }

    fn unregister_callback(&self, handle: WatchHandle) -> Unregistered {
        self.fault().unregister_callback(self.good(), handle)
    }

    fn watch(&self, pid: Pid, callback: ExitCallback) -> Result<WatchHandle, WatchError> {
        self.fault().watch(self.good(), pid, callback)
    }

    fn try_wait(&self, pid: Pid) -> Result<Option<Exit>, WatchError> {
        self.fault().try_wait(self.good(), pid)
    }

    fn register_pidfd(&self, pidfd: BorrowedFd<'_>) -> Result<Pid, WatchError> {
        self.fault().register_pidfd(self.good(), pidfd)
    }

    fn watch_pidfd(
        &self,
        pidfd: BorrowedFd<'_>,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        self.fault().watch_pidfd(self.good(), pidfd, callback)
    }

    fn pidfd(&self, pid: Pid) -> Result<OwnedFd, WatchError> {
        self.fault().pidfd(self.good(), pid)
    }

    fn send_signal(&self, pid: Pid, signal: i32) -> Result<(), WatchError> {
        self.fault().send_signal(self.good(), pid, signal)
    }

    fn canceller(&self) -> Option<Canceller> {
        self.good().canceller()
    }
}

impl<F: WatcherFault> Drop for FaultyWatcher<F> {
    fn drop(&mut self) {
        if let Some(good) = self.good.take() {
            self.fault.end(good);
        }
    }
}
