//! No ring is lost between a look and a wait.

use std::sync::Arc;

use childwatch_core::interleavings;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::listen::bell::Bell;

/// Rings a bell and listens to it: loom does not take an atomic's first value for a
/// sequentially consistent store, as which the bell's argument needs it.
pub(super) fn use_once(bell: &Bell) {
    bell.ring().unwrap();
    // It has been rung since, so this does not wait.
    bell.listen(bell.rings().wrapping_sub(1), None).unwrap();
}

fn used_bell() -> Bell {
    let bell = Bell::default();
    use_once(&bell);
    bell
}

/// The listener's loop, as the source has it: a look at the rings, one at the news, and a
/// wait. What is rung for need not be sequentially consistent.
#[test]
fn a_listener_hears_of_all_that_was_rung_for() {
    interleavings::preempted(4, || {
        let bell = Arc::new(used_bell());
        let news = Arc::new(AtomicUsize::new(0));
        let ringing = thread::spawn({
            let (bell, news) = (Arc::clone(&bell), Arc::clone(&news));
            move || {
                for _ in 0..2 {
                    news.fetch_add(1, Ordering::Relaxed);
                    bell.ring().unwrap();
                }
            }
        });
        hear(&bell, &news, 2);
        ringing.join().unwrap();
    });
}

#[test]
fn a_listener_hears_two_ringers() {
    interleavings::preempted(3, || {
        let bell = Arc::new(used_bell());
        let news = Arc::new(AtomicUsize::new(0));
        let ringing = [(), ()].map(|()| {
            let (bell, news) = (Arc::clone(&bell), Arc::clone(&news));
            thread::spawn(move || {
                news.fetch_add(1, Ordering::Relaxed);
                bell.ring().unwrap();
            })
        });
        hear(&bell, &news, 2);
        for ringing in ringing {
            ringing.join().unwrap();
        }
    });
}

fn hear(bell: &Bell, news: &AtomicUsize, count: usize) {
    loop {
        let rings = bell.rings();
        if news.load(Ordering::Relaxed) == count {
            return;
        }
        bell.listen(rings, None).unwrap();
    }
}
