//! [`Wire`]: from an event count to the descriptor of a watcher without a thread.
//!
//! A handler may notify at any time, on any thread, also while the watcher is dropped. The
//! numbers of its descriptors may be those of other files a moment later. So a notifier counts
//! itself in before it reads the numbers, and out after its system call. The drop takes
//! the numbers away first, and then waits until the count is zero. All operations are
//! sequentially consistent. So a notifier either finds no numbers, or is waited for. A handler
//! waits for nothing, so the wait is short. The wait [sleeps](super::rest) in between, because it
//! may itself have interrupted the notifier's thread.
//!
//! A forked copy has the wire too, and the descriptors are its parent's. So a notifier compares
//! the pid. Two processes can have the same pid: a process 1, and a copy of it that is process 1 of a
//! new pid namespace. If such a copy gets a `SIGCHLD`, the parent's descriptor becomes readable, and
//! the parent's driver looks for exits and finds none.

use std::time::Duration;

use childwatch_core::source::clock;
use rustix::io::Errno;

use super::rest::rest;
use crate::poller;
use crate::poller::ends::Ends;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Nothing is connected. No two descriptors have this number.
const NOTHING: u64 = u64::MAX;

/// How long [`disconnect`](Wire::disconnect) waits. A child that shares the memory, and is
/// killed inside the handler, stays counted.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Wire {
    ends: AtomicU64,
    /// How many threads may be using the ends.
    notifiers: AtomicU32,
    /// The process that has connected it.
    process: AtomicU32,
}

impl Default for Wire {
    fn default() -> Self {
        Wire {
            ends: AtomicU64::new(NOTHING),
            notifiers: AtomicU32::new(0),
            process: AtomicU32::new(0),
        }
    }
}

impl Wire {
    /// Async-signal-safe, and leaves `errno` as it was.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    pub(crate) fn notify(&self) -> Result<(), Errno> {
        if self.ends.load(Ordering::SeqCst) == NOTHING {
            return Ok(());
        }
        self.notifiers.fetch_add(1, Ordering::SeqCst);
        let ends = self.ends.load(Ordering::SeqCst);
        let is_ours = || std::process::id() == self.process.load(Ordering::SeqCst);
        let notified = if ends != NOTHING && is_ours() {
            poller::notify(Ends::from_bits(ends))
        } else {
            Ok(())
        };
        self.notifiers.fetch_sub(1, Ordering::SeqCst);
        notified
    }

    /// From now on each notification makes the descriptor readable.
    pub(crate) fn connect(&self, ends: Ends) {
        self.process.store(std::process::id(), Ordering::SeqCst);
        self.ends.store(ends.to_bits(), Ordering::SeqCst);
    }

    /// Takes the ends away, and waits for the notifiers that may use them. Returns `false` if a
    /// notifier does not come back. The descriptors must stay open then.
    pub(crate) fn disconnect(&self) -> bool {
        self.ends.store(NOTHING, Ordering::SeqCst);
        let start = clock::monotonic();
        let mut looks = 0;
        while self.notifiers.load(Ordering::SeqCst) != 0 {
            if !cfg!(childwatch_loom) && clock::monotonic().saturating_sub(start) > PATIENCE {
                return false;
            }
            rest(looks);
            looks += 1;
        }
        true
    }

    /// As a handler that does not come back.
    #[cfg(not(childwatch_loom))]
    #[cfg(test)]
    pub(crate) fn begin_notification(&self) {
        self.notifiers.fetch_add(1, Ordering::SeqCst);
    }
}

// A model has no thread that sleeps.
#[cfg(not(childwatch_loom))]
#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc;
    use std::thread;

    use childwatch_core::source::await_readable;

    use super::*;
    use crate::poller::Poller;

    /// The thread that waits may have a real-time priority, and may have interrupted the notifier
    /// on the same processor. If it does not sleep, the notifier never goes on.
    #[test]
    fn the_wait_for_a_notifier_lets_threads_of_every_priority_run() {
        let wire = &Wire::default();
        wire.begin_notification();
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            let waiting = scope.spawn(move || {
                let own = rustix::thread::gettid();
                let before = sleeps_of(own);
                sender.send((own, before)).unwrap();
                wire.disconnect();
                sleeps_of(own) > before
            });
            let (thread, before) = receiver.recv().unwrap();
            while !waiting.is_finished() && sleeps_of(thread) <= before {
                thread::yield_now();
            }
            wire.notifiers.store(0, Ordering::SeqCst);
            assert!(waiting.join().unwrap(), "it did not sleep");
        });
    }

    /// How often a thread has given up its processor in order to wait. To yield does not count.
    fn sleeps_of(thread: rustix::process::Pid) -> u64 {
        // After its end the thread has no such file.
        let status = fs::read_to_string(format!("/proc/self/task/{thread}/status"));
        let status = status.unwrap_or_default();
        let mut lines = status.lines();
        let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count.map_or(0, |count| count.trim().parse().unwrap())
    }

    /// C15: the descriptors are those of the parent.
    #[test]
    fn a_copy_rings_no_descriptor_of_its_parent() {
        let poller = Poller::new().unwrap();
        let wire = Wire::default();
        wire.connect(poller.ends());
        let own = std::process::id();
        for (process, is_rung) in [(own + 1, false), (own, true)] {
            // As if the process that made the wire were this one, or its parent.
            wire.process.store(process, Ordering::SeqCst);
            wire.notify().unwrap();
            let readable = await_readable(poller.descriptor(), Some(Duration::ZERO));
            assert_eq!(readable.unwrap(), is_rung);
        }
        assert!(wire.disconnect());
    }
}
