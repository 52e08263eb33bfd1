//! Waits on conditions, each with a generous deadline.
//!
//! Nothing here measures time to judge a watcher: a deadline only ends a case
//! that would otherwise hang, and is far above what a busy machine needs.

use std::num::NonZeroU128;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::kit::sys::threads;

/// How long a process that is judged may take, unless its runner says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(120);

static PATIENCE: OnceLock<Duration> = OnceLock::new();

/// How long one wait may take before the case fails: a quarter of the cell's own
/// deadline, so that a case can say what it waited for.
#[must_use]
pub fn patience() -> Duration {
    *PATIENCE.get_or_init(|| patience_under(DEADLINE))
}

/// Returns how long one wait may take in a process with this deadline.
#[must_use]
pub fn patience_under(cell_deadline: Duration) -> Duration {
    cell_deadline / 4
}

/// Sets [`patience`], unless that has been asked for before.
pub fn set_patience(patience: Duration) {
    PATIENCE.get_or_init(|| patience);
}

/// Waits until `condition` holds.
///
/// # Panics
///
/// After [`patience`], with `what` in the message.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    assert!(
        holds_within(patience(), &mut condition),
        "not within {:?}: {what}",
        patience()
    );
}

/// Waits until the next of the units of time in which the kernel counts since boot has
/// begun. Does not wait for a unit of zero.
pub fn await_next(unit: Duration) {
    let Some(unit) = NonZeroU128::new(unit.as_nanos()) else {
        return;
    };
    let current = || threads::since_boot().as_nanos() / unit;
    let last = current();
    until("a unit of time has passed", || current() > last);
}

/// Waits until `condition` holds, at most as long as `limit`. Returns `true` if it holds.
pub fn holds_within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if start.elapsed() >= limit {
            return false;
        }
        pause(Duration::from_millis(1));
    }
}

/// Does not park: in the last destructors of a thread, std does not know the thread any more.
#[expect(
    clippy::disallowed_methods,
    reason = "the pause between two looks at a condition"
)]
fn pause(time: Duration) {
    thread::sleep(time);
}
