//! [`Inbox`]: what signals leave for one watcher.

use std::os::unix::process::ExitStatusExt;

use childwatch_core::source::exit_status;

use super::bell::Bell;
use super::hints::{Hint, Hints};
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Written by the handler or a [`Forwarder`](crate::Forwarder), on any thread, and read
/// by the watcher.
#[derive(Debug)]
pub(crate) struct Inbox {
    hints: Hints,
    /// The number of signals that found the inbox open.
    generation: AtomicU32,
    /// Signals pass by a closed inbox. It is open while the watcher watches a child.
    is_open: AtomicBool,
    pub(crate) bell: Bell,
}

impl Inbox {
    /// An inbox that is closed.
    pub(crate) fn new() -> Self {
        Inbox {
            hints: Hints::new(),
            generation: AtomicU32::new(0),
            is_open: AtomicBool::new(false),
            bell: Bell::default(),
        }
    }

    /// Takes in one `SIGCHLD`. Async-signal-safe.
    ///
    /// The order matters. A watcher that has read the new generation finds the child in
    /// its last state, because the kernel makes a zombie before it sends the signal. A
    /// watcher that has not read it is woken by the bell.
    pub(crate) fn signal(&self, pid: i32, code: i32, status: i32) {
        if !self.is_open.load(Ordering::SeqCst) {
            return;
        }
        let generation = self
            .generation
            .fetch_add(1, Ordering::SeqCst)
            .wrapping_add(1);
        // A signal that reports no exit is no hint. But an exit's signal may have been
        // merged into it, so it begins a generation like any other.
        if let Some(status) = exit_status(code, status) {
            self.hints.push(Hint {
                pid,
                status: status.into_raw(),
                generation,
            });
        }
        // A watcher whose descriptor is refused to it is told by its heartbeat.
        let _ = self.bell.ring();
    }

    /// Takes in a signal of which nothing is known but that it came. Async-signal-safe.
    pub(crate) fn signal_unknown(&self) {
        self.signal(0, 0, 0);
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Takes out the oldest hint. Only one thread may do so at a time; for memory safety
    /// it does not matter.
    pub(crate) fn pop_hint(&self) -> Option<Hint> {
        self.hints.pop()
    }

    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }

    pub(crate) fn close(&self) {
        self.is_open.store(false, Ordering::SeqCst);
    }

    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Inbox {
        let inbox = Inbox::new();
        inbox.open();
        inbox
    }

    #[test]
    fn the_signal_of_an_exit_leaves_a_hint_begins_a_generation_and_rings() {
        let inbox = open();
        inbox.signal(7, libc::CLD_EXITED, 3);
        let expected = Hint {
            pid: 7,
            status: 3 << 8,
            generation: 1,
        };
        assert_eq!(inbox.pop_hint(), Some(expected));
        assert_eq!(inbox.pop_hint(), None);
        assert_eq!(inbox.generation(), 1);
        assert_eq!(inbox.bell.rings(), 1);
    }

    #[test]
    fn a_signal_without_an_exit_leaves_no_hint_but_begins_a_generation() {
        for signal in [
            |inbox: &Inbox| inbox.signal(7, libc::CLD_STOPPED, libc::SIGSTOP),
            |inbox: &Inbox| inbox.signal_unknown(),
        ] {
            let inbox = open();
            signal(&inbox);
            assert_eq!(inbox.pop_hint(), None);
            assert_eq!(inbox.generation(), 1);
            assert_eq!(inbox.bell.rings(), 1);
        }
    }

    #[test]
    fn signals_pass_by_a_closed_inbox() {
        let inbox = open();
        inbox.close();
        inbox.signal(7, libc::CLD_EXITED, 3);
        assert_eq!(inbox.generation(), 0);
        assert_eq!(inbox.bell.rings(), 0);
    }
}
