//! [`History`]: all that happened in a program's run, in one order.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::process::ExitStatus;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use childwatch_core::{Exit, Pid, Unregistered, WatchError, WatchHandle};

use childwatch_ptrace_free_tests::kit::locked::lock;

/// Something that happened, and on which thread.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) event: Event,
    pub(super) thread: ThreadId,
}

/// Children, calls and callbacks are named by their number.
#[derive(Debug)]
pub(super) enum Event {
    /// A child is born.
    Born { child: usize, pid: Pid },
    /// From here on it may exit, with this status.
    MayExit { child: usize, status: ExitStatus },
    /// The program is about to reap it.
    Reaping { child: usize },
    /// What reaping it gave.
    Reaped {
        child: usize,
        status: Option<ExitStatus>,
    },
    /// A call is about to be made.
    Called { call: usize, what: Call },
    /// It has returned.
    Returned { call: usize, answer: Answer },
    /// A callback has begun to run.
    Began { callback: usize, exit: Exit },
    /// In the callback, the child could not be waited for, although it was not reaped.
    NotWaitable { callback: usize },
    /// The callback could not take its steps to their end.
    Stuck { callback: usize },
    /// It is about to return, or to panic.
    Ended { callback: usize },
    /// What it captured has been dropped.
    Freed { callback: usize },
    /// Every callback that is owed has had its time, and the watcher is still there.
    Settled,
    /// The watcher is about to be dropped.
    Dropping,
    /// It has been.
    Dropped,
}

/// A call, and what its number means: the child that has it, or `None` when that has been
/// reaped and no other has been born.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Register(Pid, Option<usize>),
    Unregister(Pid, Option<usize>),
    Callback(Pid, Option<usize>, usize),
    Watch(Pid, Option<usize>, usize),
    Poll(Pid, Option<usize>),
    Cancel {
        callback: usize,
        /// It comes from inside that very callback.
        from_itself: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Accepted(WatchHandle),
    Unregistered(Unregistered),
    /// What a poll has found: nothing, or an exit with this status.
    Polled(Option<Option<ExitStatus>>),
    NoSuchProcess,
    NotAChild,
    AlreadyRegistered,
    NotRegistered,
    /// An error that no step can cause.
    Other(String),
}

impl Answer {
    pub(super) fn from_error(error: &WatchError) -> Self {
        match error {
            WatchError::NoSuchProcess { .. } => Answer::NoSuchProcess,
            WatchError::NotAChild { .. } => Answer::NotAChild,
            WatchError::AlreadyRegistered { .. } => Answer::AlreadyRegistered,
            WatchError::NotRegistered { .. } => Answer::NotRegistered,
            other => Answer::Other(format!("{other:?}")),
        }
    }
}

/// What has happened so far.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Guards the entries, and nothing is called under it.
    entries: Mutex<Vec<Entry>>,
    grown: Condvar,
}

impl History {
    pub(super) fn note(&self, event: Event) {
        let thread = thread::current().id();
        self.entries().push(Entry { event, thread });
        self.grown.notify_all();
    }

    pub(super) fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        lock(&self.entries)
    }

    /// Waits until what has happened meets a condition, `limit` at most.
    pub(super) fn wait_until(&self, limit: Duration, mut condition: impl FnMut(&[Entry]) -> bool) {
        let waited = self
            .grown
            .wait_timeout_while(self.entries(), limit, |entries| !condition(entries));
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

/// The callbacks that are registered, have not been taken out, and are still there.
pub(super) fn owed(entries: &[Entry]) -> HashSet<usize> {
    let mut owed = HashSet::new();
    let mut calls = HashMap::new();
    for Entry { event, .. } in entries {
        match event {
            Event::Called { call, what } => {
                calls.insert(*call, *what);
            }
            Event::Returned { call, answer } => match (calls.get(call), answer) {
                (Some(Call::Callback(.., label) | Call::Watch(.., label)), Answer::Accepted(_)) => {
                    owed.insert(*label);
                }
                (
                    Some(Call::Cancel { callback, .. }),
                    Answer::Unregistered(Unregistered::WillNotRun),
                ) => {
                    owed.remove(callback);
                }
                _ => {}
            },
            Event::Dropped => return HashSet::new(),
            _ => {}
        }
    }
    // A callback may have run before the call that registered it has returned.
    for Entry { event, .. } in entries {
        if let Event::Freed { callback } = event {
            owed.remove(callback);
        }
    }
    owed
}

/// The watcher has been dropped, and each callback that has run is gone.
pub(super) fn is_over(entries: &[Entry]) -> bool {
    let mut is_dropped = false;
    let mut running = HashSet::new();
    for Entry { event, .. } in entries {
        match event {
            Event::Began { callback, .. } => {
                running.insert(*callback);
            }
            // After the end: what it captured may outlive it by a moment.
            Event::Freed { callback } => {
                running.remove(callback);
            }
            Event::Dropped => is_dropped = true,
            _ => {}
        }
    }
    is_dropped && running.is_empty()
}

/// A line for each event, with its thread.
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries();
        for (index, Entry { event, thread }) in entries.iter().enumerate() {
            writeln!(f, "{index:4} {thread:?} {event:?}")?;
        }
        Ok(())
    }
}
