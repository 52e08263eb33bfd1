//! The ring of hints: full, overflowing, and drained by two.

use std::sync::Arc;

use childwatch_core::interleavings;
use loom::sync::Mutex;
use loom::thread;

use crate::listen::hints::{CAPACITY, Hint, Hints};

/// A torn hint would differ from every result of `hint`.
fn hint(pid: i32) -> Hint {
    Hint {
        pid,
        status: pid * 2,
        epoch: pid.unsigned_abs(),
    }
}

/// Pushes these hints, and returns which of them had a place.
fn push_all(hints: &Hints, pids: &[i32]) -> Vec<Hint> {
    let hinted = pids.iter().map(|pid| hint(*pid));
    hinted.filter(|hint| hints.push(*hint)).collect()
}

fn drain(hints: &Hints) -> Vec<Hint> {
    std::iter::from_fn(|| hints.pop()).collect()
}

/// Asserts that `read` has the hints of each writer in their order, and nothing else.
#[track_caller]
fn assert_read(read: &[Hint], written: &[Vec<Hint>]) {
    for written in written {
        let of_this_writer = read.iter().filter(|hint| written.contains(hint));
        assert!(of_this_writer.eq(written), "{read:?} of {written:?}");
    }
    assert_eq!(read.len(), written.iter().map(Vec::len).sum::<usize>());
}

#[test]
fn two_writers_fill_the_ring_and_what_finds_no_place_is_refused() {
    interleavings::preempted(3, || {
        let hints = Arc::new(Hints::new());
        let other = thread::spawn({
            let hints = Arc::clone(&hints);
            move || push_all(&hints, &[1, 2])
        });
        let mine = push_all(&hints, &[11, 12]);
        let written = [mine, other.join().unwrap()];
        let read = drain(&hints);
        assert_eq!(read.len(), CAPACITY);
        assert_read(&read, &written);

        // After that the ring works as before.
        let written = [push_all(&hints, &[21, 22])];
        assert_eq!(written[0].len(), CAPACITY);
        assert_read(&drain(&hints), &written);
    });
}

#[test]
fn a_ring_that_overflows_while_it_is_drained_loses_nothing_that_it_has_taken() {
    interleavings::preempted(4, || {
        let hints = Arc::new(Hints::new());
        let writing = thread::spawn({
            let hints = Arc::clone(&hints);
            move || push_all(&hints, &[1, 2, 3, 4])
        });
        let mut read = drain(&hints);
        let written = [writing.join().unwrap()];
        read.extend(drain(&hints));
        assert!(written[0].len() >= CAPACITY);
        assert_read(&read, &written);
    });
}

#[test]
fn two_writers_and_a_reader_tear_no_hint_and_lose_none() {
    interleavings::preempted(3, || {
        let hints = Arc::new(Hints::new());
        let writing = [[1, 2], [11, 12]].map(|pids| {
            let hints = Arc::clone(&hints);
            thread::spawn(move || push_all(&hints, &pids))
        });
        let mut read = drain(&hints);
        let written = writing.map(|writing| writing.join().unwrap());
        read.extend(drain(&hints));
        assert_read(&read, &written);
    });
}

/// The watcher's thread drains the ring. A caller that asks whether a child has been reaped drains it
/// too. Both hold the table's lock.
#[test]
fn two_that_drain_share_what_is_there() {
    interleavings::preempted(3, || {
        let hints = Arc::new(Hints::new());
        let table = Arc::new(Mutex::new(Vec::new()));
        let writing = thread::spawn({
            let hints = Arc::clone(&hints);
            move || push_all(&hints, &[1, 2, 3])
        });
        let drain_under_lock = {
            let (hints, table) = (Arc::clone(&hints), Arc::clone(&table));
            move || {
                table.lock().unwrap().extend(drain(&hints));
            }
        };
        let draining = thread::spawn(drain_under_lock.clone());
        drain_under_lock();
        let written = [writing.join().unwrap()];
        draining.join().unwrap();
        drain_under_lock();
        assert_read(&table.lock().unwrap(), &written);
    });
}
