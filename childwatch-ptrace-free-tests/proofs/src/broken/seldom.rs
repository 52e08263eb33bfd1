//! How often a fault comes out: each time, unless this process is told otherwise.
//!
//! A watcher that is always wrong is found by a soak in its first moments. A watcher that is
//! wrong now and then, among thousands of right calls, shows what the soak overlooks.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One call in this many is wrong.
static EVERY: AtomicUsize = AtomicUsize::new(1);

/// From now on the methods of this process's broken watchers are wrong in one call of so
/// many, and the good ones' in the others. What a watcher does wrong when it is made, or
/// dropped, it does each time.
pub fn be_wrong_in_one_call_of(calls: NonZeroUsize) {
    EVERY.store(calls.get(), Ordering::SeqCst);
}

/// The calls of one broken watcher.
#[derive(Debug, Default)]
pub(super) struct Calls(AtomicUsize);

impl Calls {
    /// Counts a call; whether it is to be wrong.
    pub(super) fn is_wrong_now(&self) -> bool {
        let every = EVERY.load(Ordering::SeqCst);
        self.0.fetch_add(1, Ordering::SeqCst) % every == every - 1
    }
}
