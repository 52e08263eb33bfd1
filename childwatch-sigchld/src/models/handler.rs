//! A thread that waits gets all that handlers leave. The models of the source itself are in
//! [`source`](super::source).

use std::sync::Arc;

use childwatch_core::interleavings;
use loom::thread;

use super::event_count::use_once;
use crate::listen::hints::CAPACITY;
use crate::listen::inbox::Inbox;
use crate::listen::subscription::Entry;

fn open_inbox() -> Arc<Inbox> {
    let inbox = Inbox::new();
    // The arguments need sequentially consistent stores, and loom does not count an atomic's
    // first value as one. So each atomic is stored once.
    use_once(&inbox.event_count);
    inbox.open();
    inbox.signal_unknown();
    Arc::new(inbox)
}

/// Runs the handler on a thread of its own. The child has exited with 0.
fn begin_signal(inbox: &Arc<Inbox>, pid: i32) -> thread::JoinHandle<()> {
    let inbox = Arc::clone(inbox);
    thread::spawn(move || inbox.signal(pid, libc::CLD_EXITED, 0))
}

/// Two handlers at once. If one is interrupted before it has filled its place, it holds up the hint
/// of the other. When it goes on, it rings for both.
#[test]
fn every_hint_is_read_before_the_thread_sleeps_for_good() {
    interleavings::preempted(2, || {
        let inbox = open_inbox();
        let signals = [begin_signal(&inbox, 1), begin_signal(&inbox, 2)];
        let mut pids = Vec::new();
        while pids.len() < 2 {
            let seen = inbox.event_count.count();
            let before = pids.len();
            pids.extend(std::iter::from_fn(|| inbox.pop_hint()).map(|hint| hint.pid));
            if pids.len() == before {
                inbox.event_count.wait(seen, None).unwrap();
            }
        }
        pids.sort_unstable();
        assert_eq!(pids, [1, 2]);
        for signal in signals {
            signal.join().unwrap();
        }
    });
}

/// There may be no place for a hint. Its epoch still arrives, so every child is looked at.
#[test]
fn a_signal_whose_hint_is_dropped_is_seen_by_its_epoch() {
    interleavings::preempted(2, || {
        let inbox = open_inbox();
        for pid in 1..=CAPACITY as i32 {
            inbox.signal(pid, libc::CLD_EXITED, 0);
        }
        let epoch = inbox.epoch();
        let signals = [11, 12].map(|pid| begin_signal(&inbox, pid));
        loop {
            let seen = inbox.event_count.count();
            if inbox.epoch() == epoch + 2 {
                break;
            }
            inbox.event_count.wait(seen, None).unwrap();
        }
        for signal in signals {
            signal.join().unwrap();
        }
    });
}

/// Two threads make a watcher at once.
#[test]
fn of_two_that_take_an_inbox_one_gets_it() {
    interleavings::all(|| {
        let entry = Arc::new(Entry::new(0));
        entry.give_back();
        let taking = thread::spawn({
            let entry = Arc::clone(&entry);
            move || entry.take()
        });
        let is_taken = entry.take();
        assert_ne!(taking.join().unwrap(), is_taken);
    });
}

/// One watcher ends while another one is made and watches its first child.
#[test]
fn an_inbox_that_is_taken_and_opened_stays_open() {
    interleavings::all(|| {
        let entry = Arc::new(Entry::new(0));
        entry.inbox().open();
        let ending = thread::spawn({
            let entry = Arc::clone(&entry);
            move || entry.give_back()
        });
        let is_taken = entry.take();
        if is_taken {
            entry.inbox().open();
        }
        ending.join().unwrap();
        assert_eq!(entry.inbox().is_open(), is_taken);
    });
}
