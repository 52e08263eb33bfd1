//! No notification is lost between a look and a wait.

use std::sync::Arc;

use childwatch_core::interleavings;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::listen::event_count::EventCount;

/// Notifies an event count and waits for it once. Its argument needs a sequentially consistent
/// store first, and loom does not take an atomic's first value for one.
pub(super) fn use_once(events: &EventCount) {
    events.notify().unwrap();
    // The count is higher by now, so this does not wait.
    events.wait(events.count().wrapping_sub(1), None).unwrap();
}

fn used_once() -> EventCount {
    let events = EventCount::default();
    use_once(&events);
    events
}

/// The waiter's loop, as the source has it: a look at the count, one at the news, and a
/// wait. The news need not be sequentially consistent.
#[test]
fn a_waiter_sees_all_that_was_notified() {
    interleavings::preempted(4, || {
        let events = Arc::new(used_once());
        let news = Arc::new(AtomicUsize::new(0));
        let notifying = thread::spawn({
            let (events, news) = (Arc::clone(&events), Arc::clone(&news));
            move || {
                for _ in 0..2 {
                    news.fetch_add(1, Ordering::Relaxed);
                    events.notify().unwrap();
                }
            }
        });
        wait_for(&events, &news, 2);
        notifying.join().unwrap();
    });
}

#[test]
fn a_waiter_sees_two_notifiers() {
    interleavings::preempted(3, || {
        let events = Arc::new(used_once());
        let news = Arc::new(AtomicUsize::new(0));
        let notifying = [(), ()].map(|()| {
            let (events, news) = (Arc::clone(&events), Arc::clone(&news));
            thread::spawn(move || {
                news.fetch_add(1, Ordering::Relaxed);
                events.notify().unwrap();
            })
        });
        wait_for(&events, &news, 2);
        for notifying in notifying {
            notifying.join().unwrap();
        }
    });
}

fn wait_for(events: &EventCount, news: &AtomicUsize, count: usize) {
    loop {
        let seen = events.count();
        if news.load(Ordering::Relaxed) == count {
            return;
        }
        events.wait(seen, None).unwrap();
    }
}
