//! [`WatchGuard`]: a callback that lasts as long as a value.

use std::mem;

use crate::{PidWatcher, Unregistered, WatchHandle};

/// Unregisters its callback when dropped.
///
/// After the drop the callback has run or never will, so what it uses may go.
/// Dropping waits for the callback if it is running, save on the watcher's own
/// thread (C9).
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

    /// The callback's handle.
    #[must_use]
    pub fn handle(&self) -> WatchHandle {
        self.handle
    }

    /// Unregisters now, and says what came of it.
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
