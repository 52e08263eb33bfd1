//! [`rest`]: between two looks at what a handler does, which nothing announces.

use std::time::Duration;

use crate::sync::yield_now;

/// How many of the first looks only yield. A handler takes some microseconds, so nearly every wait
/// ends within them.
const YIELDS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(1);

/// Lets other threads run after the look with this number: the first ones yield, the others sleep.
///
/// To yield is not enough. A real-time thread that yields lets no thread of a lower priority run.
/// If it has interrupted the handler on the same processor, the handler never goes on, and the
/// wait takes the whole processor. It must not park either: parking consumes an `unpark` that the
/// program relies on.
pub(super) fn rest(look: u32) {
    // In a model no time passes.
    if look < YIELDS || cfg!(childwatch_loom) {
        yield_now();
    } else {
        pause(PAUSE);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a handler makes no system call to say that it ends"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
