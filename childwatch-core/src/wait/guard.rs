//! [`WatchGuard`]: a callback that lasts as long as a value.

use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::contract::callback::{Unregistered, WatchHandle};
use crate::contract::watcher::PidWatcher;

/// Unregisters its callback when dropped; see
/// [`PidWatcherExt::watch_guard`](crate::PidWatcherExt::watch_guard).
///
/// After the drop, the callback has run or never will, so what it uses may be ended. If the
/// callback is running, dropping the guard waits for it, except on the watcher's own thread
/// (C9).
///
/// If the guard is leaked, as by [`std::mem::forget`], nothing is unregistered: the callback runs
/// at the exit, or is dropped with the watcher. [`into_handle`](Self::into_handle) does the same on
/// purpose, and returns the handle.
#[derive(Debug)]
#[must_use = "dropping the guard unregisters the callback at once"]
pub struct WatchGuard<'a, W: PidWatcher + ?Sized> {
    watcher: &'a W,
    handle: WatchHandle,
}

impl<'a, W: PidWatcher + ?Sized> WatchGuard<'a, W> {
    pub(crate) fn new(watcher: &'a W, handle: WatchHandle) -> Self {
        WatchGuard { watcher, handle }
    }

    /// Returns the handle of the callback.
    #[must_use]
    pub fn handle(&self) -> WatchHandle {
        self.handle
    }

    /// Unregisters the callback now, and returns the answer.
    pub fn unregister(self) -> Unregistered {
        let watcher = self.watcher;
        watcher.unregister_callback(self.into_handle())
    }

    /// Lets the callback outlive the guard.
    pub fn into_handle(self) -> WatchHandle {
        let handle = self.handle;
        mem::forget(self);
        handle
    }
}

impl<W: PidWatcher + ?Sized> Drop for WatchGuard<'_, W> {
    fn drop(&mut self) {
        self.watcher.unregister_callback(self.handle);
    }
}

// A guard has only a handle of its own, and a watcher is whole after a panic (C11).
impl<W: PidWatcher + ?Sized> UnwindSafe for WatchGuard<'_, W> {}
impl<W: PidWatcher + ?Sized> RefUnwindSafe for WatchGuard<'_, W> {}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::contract::callback::ExitCallback;
    use crate::contract::error::WatchError;
    use crate::contract::exit::Exit;
    use crate::contract::pid::Pid;
    use crate::wait::ext::PidWatcherExt;

    /// Keeps account of what is unregistered.
    #[derive(Debug, Default)]
    struct Account(Mutex<Vec<WatchHandle>>);

    impl PidWatcher for Account {
        fn register_pid(&self, _pid: Pid) -> Result<(), WatchError> {
            Ok(())
        }

        fn unregister_pid(&self, _pid: Pid) {}

        fn register_callback(
            &self,
            pid: Pid,
            _callback: ExitCallback,
        ) -> Result<WatchHandle, WatchError> {
            Ok(WatchHandle::new_unique(pid))
        }

        fn unregister_callback(&self, handle: WatchHandle) -> Unregistered {
            self.0.lock().unwrap().push(handle);
            Unregistered::WillNotRun
        }

        fn watch(&self, pid: Pid, callback: ExitCallback) -> Result<WatchHandle, WatchError> {
            self.register_callback(pid, callback)
        }

        fn try_wait(&self, _pid: Pid) -> Result<Option<Exit>, WatchError> {
            Ok(None)
        }
    }

    #[test]
    fn a_guard_unregisters_its_own_callback_once_however_it_ends() {
        let watcher = Account::default();
        let guard = || {
            let guard = watcher.watch_guard(Pid::try_from(7).unwrap(), |_| {});
            let guard = guard.unwrap();
            (guard.handle(), guard)
        };
        let (dropped, ends) = guard();
        drop(ends);
        let (asked, ends) = guard();
        assert_eq!(ends.unregister(), Unregistered::WillNotRun);
        let (released, ends) = guard();
        assert_eq!(ends.into_handle(), released);
        assert_eq!(*watcher.0.lock().unwrap(), [dropped, asked]);
    }
}
