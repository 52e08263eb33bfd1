//! Locks of the suite's own.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks it, also after a panic under it: the panic has been reported where it happened, and
/// no lock of the suite protects a change that can be left half done.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
