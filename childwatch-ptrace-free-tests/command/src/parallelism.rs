//! How much runs at a time.

use std::num::NonZeroUsize;
use std::thread;

/// The number of processors that this process may use.
pub fn parallelism() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
