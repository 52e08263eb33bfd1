//! [`Inbox`]: what signals leave for one watcher.

use std::os::unix::process::ExitStatusExt;

use childwatch_core::source::exit_status_from_siginfo;

use super::event_count::EventCount;
use super::hints::{Hint, Hints};
use super::rest::rest;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Written by the handler or a [`Forwarder`](crate::Forwarder), on any thread, and read
/// by the watcher.
#[derive(Debug)]
pub(crate) struct Inbox {
    hints: Hints,
    /// The number of signals that found the inbox open.
    epoch: AtomicU32,
    /// A closed inbox takes in no signal. It is open while the watcher watches a child.
    is_open: AtomicBool,
    /// How many handlers are delivering, to this inbox or to others too. std's, because no
    /// model explores it.
    deliveries: std::sync::atomic::AtomicU32,
    /// How many of them the watcher's thread waits for no longer. Only this thread writes it.
    given_up: std::sync::atomic::AtomicU32,
    pub(crate) event_count: EventCount,
}

impl Inbox {
    /// An inbox that is closed.
    pub(crate) fn new() -> Self {
        Inbox {
            hints: Hints::new(),
            epoch: AtomicU32::new(0),
            is_open: AtomicBool::new(false),
            deliveries: std::sync::atomic::AtomicU32::new(0),
            given_up: std::sync::atomic::AtomicU32::new(0),
            event_count: EventCount::default(),
        }
    }

    /// Takes in one `SIGCHLD`. Async-signal-safe.
    ///
    /// The order matters. If the watcher has read the new epoch, it finds the child in its
    /// last state, because the kernel makes the zombie before it sends the signal. If the
    /// watcher has not read it, the notification wakes the watcher.
    pub(crate) fn signal(&self, pid: i32, code: i32, status: i32) {
        if !self.is_open.load(Ordering::SeqCst) {
            return;
        }
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
        // A signal that reports no exit leaves no hint. But the signal of an exit may have been
        // merged into it, so it begins an epoch like any other.
        if let Some(status) = exit_status_from_siginfo(code, status) {
            self.hints.push(Hint {
                pid,
                status: status.into_raw(),
                epoch,
            });
        }
        // A watcher whose descriptor is refused to it is told by its heartbeat.
        let _ = self.event_count.notify();
    }

    /// Takes in a signal without a `siginfo`. Async-signal-safe.
    pub(crate) fn signal_unknown(&self) {
        self.signal(0, 0, 0);
    }

    /// A handler begins to deliver. Async-signal-safe.
    pub(crate) fn begin_delivery(&self) {
        self.deliveries.fetch_add(1, Ordering::SeqCst);
    }

    /// The handler has delivered, and only returns from now on. Async-signal-safe.
    pub(crate) fn end_delivery(&self) {
        self.deliveries.fetch_sub(1, Ordering::SeqCst);
    }

    /// Waits until no handler delivers to this inbox, but little more than a second at most. A debugger
    /// may have stopped the interrupted thread. A filter of system calls may have killed it, and
    /// then the delivery never ends. So a delivery that has not ended in this time is not waited
    /// for again.
    ///
    /// A handler wakes the watcher's thread by its last system call. The watcher's thread may
    /// be faster than the interrupted one. If a callback called [`std::process::exit`] then,
    /// std would unmap the alternate stack on which the handler still runs.
    pub(crate) fn await_deliveries(&self) {
        /// All but the first sleep: on a busy machine the interrupted thread may wait long for its turn.
        const LOOKS: u32 = 1_000;
        // No thread of a model has such a stack.
        if cfg!(childwatch_loom) {
            return;
        }
        for look in 0..LOOKS {
            let deliveries = self.deliveries.load(Ordering::SeqCst);
            if deliveries <= self.given_up.fetch_min(deliveries, Ordering::SeqCst) {
                return;
            }
            rest(look);
        }
        let deliveries = self.deliveries.load(Ordering::SeqCst);
        self.given_up.store(deliveries, Ordering::SeqCst);
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Takes out the oldest hint. Only one thread may do so at a time, but memory safety does not
    /// depend on this.
    pub(crate) fn pop_hint(&self) -> Option<Hint> {
        self.hints.pop()
    }

    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }

    pub(crate) fn close(&self) {
        self.is_open.store(false, Ordering::SeqCst);
    }

    /// Returns `true` while a handler delivers, to this inbox or to others too.
    #[cfg(test)]
    pub(crate) fn is_delivering(&self) -> bool {
        self.deliveries.load(Ordering::SeqCst) != 0
    }

    /// How many deliveries have been awaited in vain.
    #[cfg(test)]
    pub(crate) fn given_up(&self) -> u32 {
        self.given_up.load(Ordering::SeqCst)
    }

    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn open() -> Inbox {
        let inbox = Inbox::new();
        inbox.open();
        inbox
    }

    #[test]
    fn the_signal_of_an_exit_leaves_a_hint_begins_an_epoch_and_notifies() {
        let inbox = open();
        inbox.signal(7, libc::CLD_EXITED, 3);
        let expected = Hint {
            pid: 7,
            status: 3 << 8,
            epoch: 1,
        };
        assert_eq!(inbox.pop_hint(), Some(expected));
        assert_eq!(inbox.pop_hint(), None);
        assert_eq!(inbox.epoch(), 1);
        assert_eq!(inbox.event_count.count(), 1);
    }

    #[test]
    fn a_signal_without_an_exit_leaves_no_hint_but_begins_an_epoch() {
        for signal in [
            |inbox: &Inbox| inbox.signal(7, libc::CLD_STOPPED, libc::SIGSTOP),
            |inbox: &Inbox| inbox.signal_unknown(),
        ] {
            let inbox = open();
            signal(&inbox);
            assert_eq!(inbox.pop_hint(), None);
            assert_eq!(inbox.epoch(), 1);
            assert_eq!(inbox.event_count.count(), 1);
        }
    }

    /// As long as a debugger has stopped the thread that delivers, for one.
    #[test]
    fn a_delivery_that_never_ends_is_not_awaited_for_ever() {
        let inbox = open();
        inbox.begin_delivery();
        inbox.await_deliveries();
        inbox.end_delivery();
        inbox.await_deliveries();
    }

    #[test]
    fn a_delivery_that_does_not_end_is_awaited_once() {
        let inbox = open();
        inbox.begin_delivery();
        inbox.await_deliveries();
        assert_eq!(inbox.given_up(), 1);
        // The next one is awaited.
        inbox.begin_delivery();
        inbox.await_deliveries();
        assert_eq!(inbox.given_up(), 2);
        // Both go on after all.
        inbox.end_delivery();
        inbox.await_deliveries();
        assert_eq!(inbox.given_up(), 1);
        inbox.end_delivery();
        inbox.await_deliveries();
        assert_eq!(inbox.given_up(), 0);
    }

    #[test]
    fn a_delivery_that_ends_is_awaited() {
        let inbox = open();
        let ends = AtomicBool::new(false);
        inbox.begin_delivery();
        thread::scope(|scope| {
            let delivering = scope.spawn(|| {
                while !ends.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
                inbox.end_delivery();
            });
            ends.store(true, Ordering::SeqCst);
            delivering.join().unwrap();
            inbox.await_deliveries();
        });
        assert_eq!(inbox.deliveries.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn signals_pass_by_a_closed_inbox() {
        let inbox = open();
        inbox.close();
        inbox.signal(7, libc::CLD_EXITED, 3);
        assert_eq!(inbox.epoch(), 0);
        assert_eq!(inbox.event_count.count(), 0);
    }
}
