//! [`Hints`]: the children that signals have named. The watcher looks at them first.
//!
//! This is a bounded ring that never blocks and never allocates, so a signal handler may write
//! to it on any thread. It is D. Vyukov's bounded queue, with one reader. Each slot has a
//! sequence number, which says whose turn it is. If the ring is full, the hint is dropped. No exit is
//! lost by that, because hints only say where to look first.
//!
//! `crossbeam_queue::ArrayQueue` is no such ring. Its `push` waits while a `pop` has begun on a
//! full queue. The reader's own thread runs the handler too. A handler that interrupts a `pop`
//! there would wait for ever. `signal_hook::low_level::channel` never waits, but it has 5 places.
//! And loom's models of this ring need loom's atomics in it.
//!
//! # Invariants
//!
//! 1. If the sequence number of the slot `position % CAPACITY` is `position`, the writer that has
//!    claimed `position` may write the slot. If the number is `position + 1`, the reader may
//!    read it.
//! 2. Only one thread reads at a time. (If two did, a hint could be read twice or skipped.)
//!
//! If a writer is interrupted between claiming and filling its slot, it holds up the reader at
//! that slot, but no other writer. When it goes on, it notifies the reader, which looks again.

use std::cmp;

use crate::sync::atomic::{AtomicI32, AtomicU32, Ordering};

/// A power of two, so that positions may wrap. In a model the ring is small, so that it is soon
/// full.
pub(crate) const CAPACITY: usize = if cfg!(childwatch_loom) { 2 } else { 256 };

/// A child that a signal has named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hint {
    pub(crate) pid: i32,
    /// The wait status of the child, from the signal.
    pub(crate) status: i32,
    /// The epoch that the signal began.
    pub(crate) epoch: u32,
}

#[derive(Debug)]
pub(crate) struct Hints {
    slots: Box<[Slot]>,
    /// The next position to be claimed by a writer.
    next: AtomicU32,
    /// The next position to be read.
    read: AtomicU32,
}

#[derive(Debug)]
struct Slot {
    sequence: AtomicU32,
    pid: AtomicI32,
    status: AtomicI32,
    epoch: AtomicU32,
}

impl Hints {
    pub(crate) fn new() -> Self {
        let slot = |position| Slot {
            sequence: AtomicU32::new(position),
            pid: AtomicI32::new(0),
            status: AtomicI32::new(0),
            epoch: AtomicU32::new(0),
        };
        Hints {
            slots: (0..CAPACITY as u32).map(slot).collect(),
            next: AtomicU32::new(0),
            read: AtomicU32::new(0),
        }
    }

    /// Adds a hint, and returns `true` if there was a slot for it. Async-signal-safe.
    pub(crate) fn push(&self, hint: Hint) -> bool {
        // Relaxed: a stale position only costs another try; the sequence decides.
        let mut position = self.next.load(Ordering::Relaxed);
        loop {
            let slot = self.slot(position);
            // Acquire: the reader has taken the former hint (its Release).
            let sequence = slot.sequence.load(Ordering::Acquire);
            // Positions wrap, so the distance from the position to the sequence counts.
            match (sequence.wrapping_sub(position) as i32).cmp(&0) {
                // Relaxed: claiming publishes nothing; the sequence below does.
                cmp::Ordering::Equal => match self.next.compare_exchange_weak(
                    position,
                    position.wrapping_add(1),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => {
                        // Relaxed: published by the sequence.
                        slot.pid.store(hint.pid, Ordering::Relaxed);
                        slot.status.store(hint.status, Ordering::Relaxed);
                        slot.epoch.store(hint.epoch, Ordering::Relaxed);
                        slot.sequence
                            .store(position.wrapping_add(1), Ordering::Release);
                        return true;
                    }
                    Err(current) => position = current,
                },
                // The slot has not been read since the last round. The queue is full.
                cmp::Ordering::Less => return false,
                // Another writer has claimed the position.
                cmp::Ordering::Greater => position = self.next.load(Ordering::Relaxed),
            }
        }
    }

    /// Takes out the oldest hint.
    pub(crate) fn pop(&self) -> Option<Hint> {
        // Relaxed, as the store below: only the reader uses it. The lock that admits one reader
        // at a time orders successive readers.
        let position = self.read.load(Ordering::Relaxed);
        let slot = self.slot(position);
        // Acquire: the writer has filled the slot (its Release).
        if slot.sequence.load(Ordering::Acquire) != position.wrapping_add(1) {
            return None;
        }
        let hint = Hint {
            pid: slot.pid.load(Ordering::Relaxed),
            status: slot.status.load(Ordering::Relaxed),
            epoch: slot.epoch.load(Ordering::Relaxed),
        };
        slot.sequence.store(
            position.wrapping_add(CAPACITY as u32),
            // Release: the loads above come before the next writer's stores.
            Ordering::Release,
        );
        self.read.store(position.wrapping_add(1), Ordering::Relaxed);
        Some(hint)
    }

    fn slot(&self, position: u32) -> &Slot {
        &self.slots[position as usize % CAPACITY]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn hint(pid: i32) -> Hint {
        Hint {
            pid,
            status: pid * 2,
            epoch: pid.unsigned_abs(),
        }
    }

    #[test]
    fn hints_come_out_in_order_over_many_rounds() {
        let hints = Hints::new();
        for round in 0..10 {
            for pid in 1..=100 {
                assert!(hints.push(hint(round * 100 + pid)));
            }
            for pid in 1..=100 {
                assert_eq!(hints.pop(), Some(hint(round * 100 + pid)));
            }
            assert_eq!(hints.pop(), None);
        }
    }

    #[test]
    fn a_full_queue_drops_the_newest_and_says_so() {
        let hints = Hints::new();
        for pid in 1..=CAPACITY as i32 {
            assert!(hints.push(hint(pid)));
        }
        assert!(!hints.push(hint(-1)));
        for pid in 1..=CAPACITY as i32 {
            assert_eq!(hints.pop(), Some(hint(pid)));
        }
        assert_eq!(hints.pop(), None);
        // After that the ring works as before.
        assert!(hints.push(hint(7)));
        assert_eq!(hints.pop(), Some(hint(7)));
    }

    /// A writer is a signal handler. If it looped for ever, it would stop the program.
    #[test]
    fn a_queue_is_full_also_where_its_positions_wrap_round() {
        let hints = Hints::new();
        let start = 0_u32.wrapping_sub(CAPACITY as u32 / 2);
        for position in (start..=u32::MAX).chain(0..CAPACITY as u32 / 2) {
            let slot = hints.slot(position);
            slot.sequence.store(position, Ordering::SeqCst);
        }
        hints.next.store(start, Ordering::SeqCst);
        hints.read.store(start, Ordering::SeqCst);
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for _ in 0..2 {
                let pushed = (1..=CAPACITY as i32 + 1).map(|pid| hints.push(hint(pid)));
                let pushed: Vec<_> = pushed.collect();
                let popped = (1..=CAPACITY as i32).all(|pid| hints.pop() == Some(hint(pid)));
                sender.send((pushed, popped)).unwrap();
            }
        });
        let mut expected = vec![true; CAPACITY];
        expected.push(false);
        for _ in 0..2 {
            let answer = receiver.recv_timeout(Duration::from_secs(60));
            assert_eq!(answer, Ok((expected.clone(), true)));
        }
    }

    #[test]
    fn many_writers_lose_nothing_that_they_do_not_say() {
        // Miri takes a thousand times as long for each.
        const EACH: i32 = if cfg!(miri) { 1_000 } else { 10_000 };
        let hints = Arc::new(Hints::new());
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let hints = Arc::clone(&hints);
                thread::spawn(move || {
                    for count in 0..EACH {
                        hints.push(hint(writer * EACH + count));
                    }
                })
            })
            .collect();
        let mut seen = vec![-1; 3];
        let read_all = |seen: &mut Vec<i32>| {
            while let Some(read) = hints.pop() {
                assert_eq!(read, hint(read.pid), "a torn hint");
                let (writer, count) = (read.pid / EACH, read.pid % EACH);
                assert!(seen[writer as usize] < count, "out of order");
                seen[writer as usize] = count;
            }
        };
        while !writers.iter().all(thread::JoinHandle::is_finished) {
            read_all(&mut seen);
        }
        read_all(&mut seen);
    }
}
