//! Callbacks, their handles, and the answers to unregistering them.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::contract::exit::Exit;
use crate::contract::pid::Pid;

/// The closure that a watcher runs when the process has exited. It runs once, on the watcher's
/// own thread or in [`drive`](crate::Driver::drive) (C3, C4).
pub type ExitCallback = Box<dyn FnOnce(Exit) + Send + 'static>;

/// Names one registered callback, for
/// [`unregister_callback`](crate::PidWatcher::unregister_callback).
///
/// A handle is a plain value: copying or dropping it does nothing to the
/// callback. Handles order by their registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchHandle {
    id: NonZeroU64,
    /// The number of the registry that made the handle. It is `None` if another kind of watcher
    /// has made it.
    registry: Option<NonZeroU64>,
    pid: Pid,
    /// Where the engine's registry keeps the callback.
    slot: u32,
}

impl WatchHandle {
    /// Returns a handle that no watcher of this process has returned before. It is for your own
    /// implementations of [`PidWatcher`](crate::PidWatcher).
    #[must_use]
    pub fn new_unique(pid: Pid) -> Self {
        Self::new_in_slot(None, pid, 0)
    }

    pub(crate) fn new_in_slot(registry: Option<NonZeroU64>, pid: Pid, slot: u32) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: the ids must differ, and must grow in the order in which one watcher's lock
        // is taken. They publish nothing else.
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        WatchHandle {
            id: NonZeroU64::new(id).expect("2^64 callbacks take longer than any process lives"),
            registry,
            pid,
            slot,
        }
    }

    /// Returns the id of this callback. No two callbacks in a process have the same id, also if
    /// their watchers differ.
    #[must_use]
    pub const fn id(self) -> NonZeroU64 {
        self.id
    }

    /// Returns the pid of the watched process.
    #[must_use]
    pub const fn pid(self) -> Pid {
        self.pid
    }

    pub(crate) const fn registry(self) -> Option<NonZeroU64> {
        self.registry
    }

    pub(crate) const fn slot(self) -> u32 {
        self.slot
    }
}

/// The answer of [`unregister_callback`](crate::PidWatcher::unregister_callback) (C9).
///
/// There are exactly these four answers. Each means something else for the data that the callback
/// uses, so a caller should match all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unregistered {
    /// This call has removed the callback. It has not run and never will, and its captures
    /// have been dropped.
    WillNotRun,
    /// The callback has returned, its captures have been dropped, and its effects are visible
    /// to the caller.
    HasRun,
    /// The call came from inside the callback itself, which continues to run.
    IsRunning,
    /// The watcher found nothing to remove, and does not claim that the callback
    /// ran. An earlier call, or the watcher's `Drop`, has removed it (and may still
    /// be dropping its captures), or the handle is another watcher's.
    ///
    /// A watcher of this crate remembers cancelled callbacks: the 1,024 that were registered
    /// last. If more than 1,024 callbacks that were registered later have been cancelled, it
    /// returns this answer also for a callback that has run.
    NotPending,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever their processes and their watchers.
    #[test]
    fn handles_order_by_their_registration() {
        let pid = |raw: i32| Pid::try_from(raw).unwrap();
        let mut handles = vec![
            WatchHandle::new_in_slot(NonZeroU64::new(2), pid(9), 9),
            WatchHandle::new_in_slot(NonZeroU64::new(2), pid(7), 8),
            WatchHandle::new_in_slot(NonZeroU64::new(1), pid(8), 7),
            WatchHandle::new_unique(pid(6)),
        ];
        let registered = handles.clone();
        handles.sort();
        assert_eq!(handles, registered);
    }
}
