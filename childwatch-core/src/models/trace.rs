//! [`Trace`]: what becomes of a callback.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Condvar, Mutex};

use crate::contract::callback::ExitCallback;
use crate::contract::exit::Exit;

/// Counts the runs of a callback, and the drops of its captures.
///
/// The counts are relaxed. A thread is sure to see them only if something else has ordered them
/// before its load. The models check that.
#[derive(Default)]
pub(super) struct Trace {
    runs: AtomicUsize,
    drops: AtomicUsize,
    is_over: Gate,
}

/// A callback's fate, as far as a thread can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// It has run once, and its captures have been dropped.
    HasRun,
    /// It has not run, and its captures have been dropped.
    DroppedUnrun,
    Other {
        runs: usize,
        drops: usize,
    },
}

impl Trace {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn callback(self: &Arc<Self>) -> ExitCallback {
        self.callback_that(|_exit| {})
    }

    pub(super) fn callback_that(
        self: &Arc<Self>,
        then: impl FnOnce(Exit) + Send + 'static,
    ) -> ExitCallback {
        let captured = Captured(Arc::clone(self));
        Box::new(move |exit| {
            captured.0.runs.fetch_add(1, Ordering::Relaxed);
            then(exit);
        })
    }

    pub(super) fn fate(&self) -> Fate {
        let runs = self.runs.load(Ordering::Relaxed);
        let drops = self.drops.load(Ordering::Relaxed);
        match (runs, drops) {
            (1, 1) => Fate::HasRun,
            (0, 1) => Fate::DroppedUnrun,
            _ => Fate::Other { runs, drops },
        }
    }

    /// Waits until the captures are dropped. If the callback runs, it has run then.
    pub(super) fn wait_until_over(&self) {
        self.is_over.wait();
    }
}

struct Captured(Arc<Trace>);

impl Drop for Captured {
    fn drop(&mut self) {
        self.0.drops.fetch_add(1, Ordering::Relaxed);
        self.0.is_over.open();
    }
}

/// A gate that is closed at first. Once open, it stays open.
#[derive(Default)]
pub(super) struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(super) fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    pub(super) fn wait(&self) {
        let mut is_open = self.is_open.lock().unwrap();
        while !*is_open {
            is_open = self.opened.wait(is_open).unwrap();
        }
    }
}
