//! Timed waits, which loom does not have.
//!
//! By itself no time passes in a model: a timed wait lasts until its condition holds. So if a
//! thread should be woken and instead depends on the time running out, loom finds a deadlock.
//!
//! A model may let the time of the next waits [run out](time_runs_out). Such a wait ends at once,
//! and loom lets its thread go on at any later moment too.

use std::cell::Cell;
use std::sync::{LockResult, PoisonError};
use std::time::Duration;

use loom::sync::MutexGuard;

thread_local! {
    /// How many timed waits are still to run out. All threads of a model run on one thread of
    /// the system, which no other model uses. Loom does not see this value, so it orders
    /// nothing.
    static TO_RUN_OUT: Cell<usize> = const { Cell::new(0) };
}

/// Lets the time of the next `waits` timed waits run out, and that of later waits not.
pub(crate) fn time_runs_out(waits: usize) {
    TO_RUN_OUT.set(waits);
}

/// Counts a timed wait. Returns `true` if its time has run out.
fn has_run_out() -> bool {
    let left = TO_RUN_OUT.get().checked_sub(1);
    left.inspect(|left| TO_RUN_OUT.set(*left)).is_some()
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(loom::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Condvar::default()
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.0.wait(guard)
    }

    pub(crate) fn wait_timeout_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        _time: Duration,
        mut goes_on: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        while goes_on(&mut guard) && !has_run_out() {
            let waited = self.0.wait(guard);
            guard = waited.map_err(|poisoned| PoisonError::new((poisoned.into_inner(), ())))?;
        }
        Ok((guard, ()))
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

pub(crate) mod thread {
    use std::time::Duration;

    pub(crate) use loom::thread::{Builder, JoinHandle, ThreadId, current};

    pub(crate) fn park_timeout(_time: Duration) {
        if super::has_run_out() {
            loom::thread::yield_now();
        } else {
            loom::thread::park();
        }
    }
}
