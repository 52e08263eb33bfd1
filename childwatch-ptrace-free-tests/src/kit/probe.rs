//! [`Probe`]: a callback that keeps account of itself; [`Gate`]: what a slow one
//! waits at.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use childwatch_core::{Exit, ExitCallback};

use crate::kit::deadline::patience;
use crate::kit::locked::lock;

/// Hands out callbacks, and knows how often they ran, where, with what, and
/// whether what they captured has been dropped.
#[derive(Clone, Debug, Default)]
pub struct Probe(Arc<Account>);

#[derive(Debug, Default)]
struct Account {
    entries: Mutex<Entries>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Entries {
    runs: Vec<(Exit, ThreadId)>,
    /// Callbacks whose captured values have not been dropped.
    captured: usize,
}

impl Probe {
    /// Nothing has run.
    #[must_use]
    pub fn new() -> Self {
        Probe::default()
    }

    /// A callback that is accounted for here.
    #[must_use]
    pub fn callback(&self) -> ExitCallback {
        self.callback_then(|_| {})
    }

    /// A callback that is accounted for here when `body` has returned.
    #[must_use]
    pub fn callback_then(&self, body: impl FnOnce(Exit) + Send + 'static) -> ExitCallback {
        lock(&self.0.entries).captured += 1;
        let captured = Captured(self.clone());
        Box::new(move |exit| {
            body(exit);
            captured.0.enter(exit);
        })
    }

    /// Waits for a run, and checks that there was but one.
    ///
    /// # Panics
    ///
    /// When there is none within the deadline, or more than one.
    #[track_caller]
    pub fn ran_once(&self) -> Exit {
        self.ran(1);
        let entries = lock(&self.0.entries);
        entries.runs[0].0
    }

    /// Waits for `times` runs, and checks that there were no more.
    ///
    /// # Panics
    ///
    /// When there are fewer within the deadline, or more.
    #[track_caller]
    pub fn ran(&self, times: usize) {
        let entries = lock(&self.0.entries);
        let (entries, _) = self
            .0
            .changed
            .wait_timeout_while(entries, patience(), |entries| entries.runs.len() < times)
            .unwrap_or_else(PoisonError::into_inner);
        let ran = entries.runs.len();
        assert!(ran == times, "the callback ran {ran} times, not {times}");
    }

    /// How often callbacks have run so far.
    #[must_use]
    pub fn runs(&self) -> usize {
        lock(&self.0.entries).runs.len()
    }

    /// Every exit that was told, in order.
    #[must_use]
    pub fn exits(&self) -> Vec<Exit> {
        let entries = lock(&self.0.entries);
        entries.runs.iter().map(|(exit, _)| *exit).collect()
    }

    /// The threads that the callbacks ran on, in order.
    #[must_use]
    pub fn threads(&self) -> Vec<ThreadId> {
        let entries = lock(&self.0.entries);
        entries.runs.iter().map(|(_, thread)| *thread).collect()
    }

    /// Whether no callback is left, run or not, that still holds its captures.
    #[must_use]
    pub fn captures_are_dropped(&self) -> bool {
        lock(&self.0.entries).captured == 0
    }

    fn enter(&self, exit: Exit) {
        lock(&self.0.entries)
            .runs
            .push((exit, thread::current().id()));
        self.0.changed.notify_all();
    }
}

/// What every probe's callback captures.
struct Captured(Probe);

impl Drop for Captured {
    fn drop(&mut self) {
        lock(&self.0.0.entries).captured -= 1;
    }
}

/// Closed until opened; tells when somebody stands before it.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Debug, Default)]
struct GateState {
    reached: bool,
    open: bool,
    /// A wait has timed out, perhaps in a callback, where a panic goes no further. in a
    /// callback, where a panic goes no further.
    given_up: bool,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Gate::default()
    }

    /// Waits here until it is opened.
    ///
    /// # Panics
    ///
    /// When it is not opened within the deadline.
    pub fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = lock(state);
        state.reached = true;
        changed.notify_all();
        let (mut state, timeout) = changed
            .wait_timeout_while(state, patience(), |state| !state.open)
            .unwrap_or_else(PoisonError::into_inner);
        state.given_up |= timeout.timed_out();
        drop(state);
        assert!(!timeout.timed_out(), "the gate was not opened");
    }

    /// Waits until somebody stands before it.
    ///
    /// # Panics
    ///
    /// When no thread reaches it within the deadline.
    #[track_caller]
    pub fn wait_until_reached(&self) {
        let (state, changed) = &*self.0;
        let (_state, timeout) = changed
            .wait_timeout_while(lock(state), patience(), |state| !state.reached)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "nobody came to the gate");
    }

    /// Lets everybody pass.
    ///
    /// # Panics
    ///
    /// When somebody has given up waiting: what came before this took too long, or
    /// waited for the gate.
    #[track_caller]
    pub fn open(&self) {
        let (state, changed) = &*self.0;
        let mut state = lock(state);
        state.open = true;
        changed.notify_all();
        let given_up = state.given_up;
        drop(state);
        assert!(
            !given_up || thread::panicking(),
            "the gate was opened too late"
        );
    }
}
