//! A look borrows a pidfd, and other threads disarm, arm and look meanwhile.

use std::sync::Arc;

use childwatch_core::interleavings;
use childwatch_core::source::Token;
use loom::sync::Notify;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use crate::armed::ArmedTable;

const TOKEN: Token = Token::from_parts(0, 0);
const OTHER: Token = Token::from_parts(1, 0);

struct Pidfd {
    is_open: Arc<AtomicBool>,
}

impl Drop for Pidfd {
    fn drop(&mut self) {
        self.is_open.store(false, Ordering::Relaxed);
    }
}

fn table() -> (Arc<ArmedTable<Pidfd>>, Arc<AtomicBool>) {
    let table = Arc::new(ArmedTable::new());
    let is_open = Arc::new(AtomicBool::new(true));
    table.insert(
        TOKEN,
        Pidfd {
            is_open: Arc::clone(&is_open),
        },
    );
    (table, is_open)
}

/// A look that can be interrupted by other threads.
fn look(table: &ArmedTable<Pidfd>) -> Option<()> {
    table.look(TOKEN, |pidfd| {
        thread::yield_now();
        assert!(pidfd.is_open.load(Ordering::Relaxed));
    })
}

/// Two threads look, and a third one disarms.
#[test]
fn a_pidfd_is_open_during_each_look_and_closed_after_its_removal() {
    interleavings::preempted(3, || {
        let (table, is_open) = table();
        let looking = [(), ()].map(|()| {
            let table = Arc::clone(&table);
            thread::spawn(move || look(&table))
        });
        drop(table.remove(TOKEN));
        assert!(!is_open.load(Ordering::Relaxed));
        for looking in looking {
            looking.join().unwrap();
        }
        assert_eq!(look(&table), None);
    });
}

/// The look ends only after the insertion. If the insertion waited for it, loom would find a
/// deadlock.
#[test]
fn an_insertion_does_not_wait_for_a_look() {
    interleavings::all(|| {
        let (table, _) = table();
        let inserted = Arc::new(Notify::new());
        let looking = thread::spawn({
            let (table, inserted) = (Arc::clone(&table), Arc::clone(&inserted));
            move || table.look(TOKEN, |_| inserted.wait())
        });
        let is_open = Arc::new(AtomicBool::new(true));
        table.insert(OTHER, Pidfd { is_open });
        inserted.notify();
        assert_eq!(looking.join().unwrap(), Some(()));
    });
}
