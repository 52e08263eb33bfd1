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
    /// The number of the registry that made the handle. It is 0 if another kind of watcher has
    /// made it.
    registry: u64,
    pid: Pid,
    /// Where the engine's registry keeps the callback.
    slot: u32,
}

impl WatchHandle {
    /// A handle that no watcher of this process has returned before. It is for your own
    /// implementations of [`PidWatcher`](crate::PidWatcher).
    #[must_use]
    pub fn next(pid: Pid) -> Self {
        Self::next_in_slot(0, pid, 0)
    }

    pub(crate) fn next_in_slot(registry: u64, pid: Pid, slot: u32) -> Self {
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

    /// The id of this callback. No two callbacks of a process have one id, whatever their
    /// watchers.
    #[must_use]
    pub const fn id(self) -> NonZeroU64 {
        self.id
    }

    /// The process that is watched.
    #[must_use]
    pub const fn pid(self) -> Pid {
        self.pid
    }

    pub(crate) const fn registry(self) -> u64 {
        self.registry
    }

    pub(crate) const fn slot(self) -> u32 {
        self.slot
    }
}

/// The answer of [`unregister_callback`](crate::PidWatcher::unregister_callback) (C9).
///
/// The four answers are all that there are. Each says something else about the data that the
/// callback uses, so a caller should match every one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unregistered {
    /// This call took the callback out: it has not run and never will, and what
    /// it captured has been dropped.
    WillNotRun,
    /// The callback has returned, what it captured has been dropped, and its effects
    /// are visible to the caller.
    HasRun,
    /// The call came from inside that very callback, which goes on running.
    IsRunning,
    /// The watcher found nothing to remove, and does not claim that the callback
    /// ran. An earlier call, or the watcher's `Drop`, has removed it (and may still
    /// be dropping its captures), or the handle is another watcher's.
    ///
    /// A watcher of this crate remembers which callbacks were cancelled: of all that
    /// were, the 1,024 that were registered last. If 1,024 younger callbacks have been
    /// cancelled, it gives this answer for a callback that has run, too.
    NotPending,
}
