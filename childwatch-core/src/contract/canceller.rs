//! [`Canceller`]: a way to unregister callbacks that does not borrow their watcher.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use crate::contract::callback::{Unregistered, WatchHandle};

/// Unregisters callbacks without borrowing their watcher, for [`Exited`](crate::Exited). A
/// watcher that passes its calls on to a watcher of this crate passes the canceller on too.
#[derive(Clone)]
pub struct Canceller(Arc<dyn Cancels>);

/// What a [`Canceller`] calls. An implementation must not keep a file descriptor or a thread of
/// the watcher (C12).
pub(crate) trait Cancels: Send + Sync {
    fn unregister_callback(&self, handle: WatchHandle) -> Unregistered;

    /// Returns `true` in a forked copy of the watcher's process (C15).
    fn is_in_copy(&self) -> bool;
}

impl Canceller {
    pub(crate) fn new(cancels: Arc<dyn Cancels>) -> Self {
        Canceller(cancels)
    }

    /// As [`PidWatcher::unregister_callback`](crate::PidWatcher::unregister_callback).
    pub(crate) fn unregister_callback(&self, handle: WatchHandle) -> Unregistered {
        self.0.unregister_callback(handle)
    }

    /// Returns `true` in a forked copy of the watcher's process. A lock may be held there for
    /// ever.
    pub(crate) fn is_in_copy(&self) -> bool {
        self.0.is_in_copy()
    }
}

// What cancels is the engine, whose state is whole after a panic (C11).
impl UnwindSafe for Canceller {}
impl RefUnwindSafe for Canceller {}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canceller").finish_non_exhaustive()
    }
}
