//! Locks of the suite's own.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks it, also after a panic under it: that has been told of where it was, and nothing
/// is left half done under any of the suite's locks.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
