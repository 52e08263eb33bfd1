//! [`Dispatch`]: the registry behind its lock, and the watcher's thread running
//! what is due.
//!
//! # The lock
//!
//! One mutex guards the registry and the few flags beside it. Under it nothing
//! is called that could take another lock, make a system call, or run a user's
//! code: no callback, no `Drop` of a captured value, no source. So it cannot
//! deadlock, and it is held for some tens of nanoseconds.
//!
//! Running a callback costs one round of the lock: the round that marks the one
//! as finished picks the next.
//!
//! # Who waits for whom
//!
//! 1. A caller that unregisters a running callback waits, on `finished`, for the
//!    watcher's thread.
//! 2. The watcher's thread waits for no caller: it takes the lock, and in `pause`
//!    only time and `stop`.
//!
//! So no cycle of waits runs through one watcher, whatever a callback or a
//! captured value's `Drop` calls.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::Duration;

use crate::registry::{Cancelled, Committed, Contended, Current, Due, Registry, Tenure};
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::{Exit, ExitCallback, Pid, Report, Token, WatchHandle};

/// How many callbacks run before the source is asked again, so that callbacks
/// which register ever more late callbacks keep no exit from being seen.
const CALLBACKS_A_ROUND: usize = 1024;

pub(crate) struct Dispatch {
    state: Mutex<State>,
    /// A callback that somebody waits for has finished, or the watcher stops.
    finished: Condvar,
}

struct State {
    registry: Registry<ExitCallback>,
    /// The watcher's thread is in a round: it looks at the registry once more
    /// before it asks the source, and need not be woken.
    in_round: bool,
    is_stopping: bool,
    /// How many callers wait on `finished` for a callback.
    waiting: usize,
}

/// What the watcher's thread does after a round.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    AskSource,
    /// Callbacks are still due: ask the source, but do not wait in it.
    AskSourceAndReturn,
    Stop,
}

/// A callback that is in force.
pub(crate) struct Entered {
    pub(crate) handle: WatchHandle,
    /// It is due, and the watcher's thread is not about to look by itself.
    pub(crate) needs_wake: bool,
}

impl State {
    fn entered(&self, handle: WatchHandle, is_due: bool) -> Entered {
        Entered {
            handle,
            needs_wake: is_due && !self.in_round,
        }
    }
}

impl Dispatch {
    pub(crate) fn new() -> Self {
        Dispatch {
            state: Mutex::new(State {
                registry: Registry::new(),
                in_round: false,
                is_stopping: false,
                waiting: 0,
            }),
            finished: Condvar::new(),
        }
    }

    /// A token to arm `pid` under, unless it has a registration.
    pub(crate) fn reserve_unless_current(&self, pid: Pid) -> Result<Token, Current> {
        let mut state = self.lock();
        match state.registry.current(pid) {
            Some(current) => Err(current),
            None => Ok(state.registry.reserve(pid)),
        }
    }

    pub(crate) fn reserve(&self, pid: Pid) -> Token {
        self.lock().registry.reserve(pid)
    }

    pub(crate) fn release(&self, token: Token) {
        self.lock().registry.release(token);
    }

    /// See [`Registry::commit`]; gives what is to be retired.
    pub(crate) fn commit(
        &self,
        pid: Pid,
        token: Token,
        former: Option<Token>,
    ) -> Result<Option<Token>, Contended> {
        let Committed { retired, .. } = self.lock().registry.commit(pid, token, former)?;
        Ok(retired)
    }

    /// See [`Registry::commit_watch`].
    pub(crate) fn commit_watch(
        &self,
        pid: Pid,
        token: Token,
        former: Option<Token>,
        callback: ExitCallback,
    ) -> Result<(Entered, Option<Token>), ExitCallback> {
        let mut state = self.lock();
        let (handle, Committed { is_due, retired }) =
            state.registry.commit_watch(pid, token, former, callback)?;
        Ok((state.entered(handle, is_due), retired))
    }

    /// See [`Registry::hold`].
    pub(crate) fn hold(&self, token: Token) -> bool {
        self.lock().registry.hold(token)
    }

    /// See [`Registry::join`].
    pub(crate) fn join(
        &self,
        token: Token,
        callback: ExitCallback,
    ) -> Result<Entered, ExitCallback> {
        let mut state = self.lock();
        let (handle, is_due) = state.registry.join(token, callback)?;
        Ok(state.entered(handle, is_due))
    }

    /// Adds a callback to `pid`'s registration, if that is held.
    pub(crate) fn join_held(
        &self,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<Entered, ExitCallback> {
        let mut state = self.lock();
        let (handle, is_due) = match state.registry.current(pid) {
            Some(Current {
                token,
                tenure: Tenure::Held,
            }) => state.registry.join(token, callback)?,
            Some(_) | None => return Err(callback),
        };
        Ok(state.entered(handle, is_due))
    }

    /// See [`Registry::unregister_pid`].
    pub(crate) fn unregister_pid(&self, pid: Pid) -> Option<Token> {
        self.lock().registry.unregister_pid(pid)
    }

    /// Takes a callback out, for the caller to drop outside the lock.
    pub(crate) fn cancel(&self, handle: WatchHandle) -> Cancelled<ExitCallback> {
        self.lock().registry.cancel(handle)
    }

    /// Waits until the callback is not running (any more). Never called on the
    /// watcher's own thread.
    pub(crate) fn wait_until_finished(&self, handle: WatchHandle) {
        let mut state = self.lock();
        state.waiting += 1;
        while state.registry.is_running(handle.id()) {
            state = self
                .finished
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
    }

    /// One round of the watcher's thread: takes in the reports and runs what is
    /// due. `disarm` is called, without the lock, for each registration whose
    /// last callback has run.
    pub(crate) fn run_round(&self, reports: &mut Vec<Report>, disarm: impl Fn(Token)) -> Next {
        let mut state = self.lock();
        state.in_round = true;
        for report in reports.drain(..) {
            state.registry.process_exited(report);
        }
        for _ in 0..CALLBACKS_A_ROUND {
            if state.is_stopping {
                break;
            }
            let Some(Due {
                exit,
                callback,
                retired,
            }) = state.registry.next_due()
            else {
                break;
            };
            drop(state);
            run(callback, exit);
            if let Some(token) = retired {
                disarm(token);
            }
            state = self.lock();
            state.registry.callback_finished();
            if let Some(token) = retired {
                state.registry.release(token);
            }
            if state.waiting != 0 {
                self.finished.notify_all();
            }
        }
        // Whoever waits for the round's end began to in a callback, and has been notified
        // after that: the lock has been held since.
        state.in_round = false;
        if state.is_stopping {
            Next::Stop
        } else if state.registry.has_due() {
            Next::AskSourceAndReturn
        } else {
            Next::AskSource
        }
    }

    /// Lets the watcher's thread rest for `time`, or until the watcher stops.
    pub(crate) fn pause(&self, time: Duration) {
        let goes_on = |state: &mut State| !state.is_stopping;
        drop(self.finished.wait_timeout_while(self.lock(), time, goes_on));
    }

    /// From here on no callback begins to run. The callbacks that have not begun
    /// come back, to be dropped outside the lock.
    #[must_use]
    pub(crate) fn stop(&self) -> Vec<ExitCallback> {
        let mut state = self.lock();
        state.is_stopping = true;
        let callbacks = state.registry.take_all();
        drop(state);
        self.finished.notify_all();
        callbacks
    }

    /// Waits until the watcher's thread runs nothing; after `stop` it stays so.
    pub(crate) fn wait_until_idle(&self) {
        let mut state = self.lock();
        state.waiting += 1;
        while state.in_round {
            state = self
                .finished
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
    }

    /// No code that can panic runs under the lock, so poison would be a panic of
    /// the allocator's; the state is whole all the same.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a callback to its end, its captured values' included. A panic has been
/// reported by the panic hook and goes no further (C11).
fn run(callback: ExitCallback, exit: Exit) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(move || callback(exit))) {
        drop_quietly(payload);
    }
}

/// Drops a user's value whose `Drop` may panic, where the panic must go no
/// further.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(move || drop(value))) {
        // This payload's own Drop might panic too, and so on without end.
        mem::forget(payload);
    }
}

#[cfg(test)]
mod tests;
