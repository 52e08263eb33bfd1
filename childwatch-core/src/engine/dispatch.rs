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
//!    only time and `stop`. It waits for callers only if a callback drops the watcher.
//! 3. Whoever drops the watcher waits, on `finished`, for the disarmings that cancellers
//!    have begun. A disarming makes quick system calls, runs no user's code, and waits
//!    for nobody. What the cancelled callback captured is dropped after it.
//!
//! So no cycle of waits runs through one watcher, whatever a callback or a
//! captured value's `Drop` calls.
//!
//! # Forked copies
//!
//! A callback may fork, and the copy may return from it. In the copy the lock may be
//! held, by a thread that is not there, and the source is the parent's. So after each
//! callback the thread looks whether it is in a copy, before anything else.

use std::sync::PoisonError;
use std::time::Duration;

use crate::contract::callback::{ExitCallback, WatchHandle};
use crate::contract::error::WatchError;
use crate::contract::exit::Exit;
use crate::contract::pid::Pid;
use crate::engine::origin::Origin;
use crate::engine::registry::{Cancelled, Committed, Contended, Current, Due, Registry, Tenure};
use crate::engine::signal_mask::SignalMask;
use crate::engine::user_code::{Ended, run_callback};
use crate::platform::sync::{Condvar, Mutex, MutexGuard};
use crate::source::report::Report;
use crate::source::token::Token;

/// How many callbacks run before the source is asked again, so that callbacks
/// which register ever more late callbacks keep no exit from being seen.
const CALLBACKS_A_ROUND: usize = 1024;

pub(crate) struct Dispatch {
    state: Mutex<State>,
    /// A callback or a disarming that somebody waits for has finished, or the watcher
    /// stops.
    finished: Condvar,
}

/// What the watcher's thread goes by.
pub(crate) struct Context {
    /// The process that made the watcher.
    pub(crate) origin: Origin,
    /// The mask of the thread that made the watcher (C4).
    pub(crate) creators: SignalMask,
}

struct State {
    registry: Registry<ExitCallback>,
    /// The watcher's thread is in a round: it looks at the registry once more
    /// before it asks the source, and need not be woken.
    in_round: bool,
    /// The watcher's thread is in [`Dispatch::pause`].
    is_pausing: bool,
    is_stopping: bool,
    /// How many callers wait on `finished`.
    waiting: usize,
    /// How many cancellers are about to disarm, or do.
    disarming: usize,
}

/// What the watcher's thread does after a round.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    AskSource,
    /// Callbacks are still due: ask the source, but do not wait in it.
    AskSourceAndReturn,
    Stop,
    /// This is a forked copy of the process.
    Forked,
}

/// A callback that is in force.
pub(crate) struct Entered {
    pub(crate) handle: WatchHandle,
    /// It is due, and the watcher's thread is not about to look by itself.
    pub(crate) needs_wake: bool,
}

impl Dispatch {
    pub(crate) fn new() -> Self {
        Dispatch {
            state: Mutex::new(State {
                registry: Registry::new(),
                in_round: false,
                is_pausing: false,
                is_stopping: false,
                waiting: 0,
                disarming: 0,
            }),
            finished: Condvar::new(),
        }
    }

    /// Refuses when the watcher has stopped.
    pub(crate) fn check(&self) -> Result<(), WatchError> {
        if self.lock().is_stopping {
            Err(WatchError::Stopped)
        } else {
            Ok(())
        }
    }

    /// A token to arm `pid` under, unless it has a registration.
    pub(crate) fn reserve_unless_current(
        &self,
        pid: Pid,
    ) -> Result<Result<Token, Current>, WatchError> {
        let mut state = self.lock();
        if state.is_stopping {
            return Err(WatchError::Stopped);
        }
        Ok(match state.registry.current(pid) {
            Some(current) => Err(current),
            None => Ok(state.registry.reserve(pid)),
        })
    }

    pub(crate) fn reserve(&self, pid: Pid) -> Token {
        self.lock().registry.reserve(pid)
    }

    pub(crate) fn release(&self, token: Token) {
        self.lock().registry.release(token);
    }

    /// See [`Registry::commit`]; gives what is to be retired. Also `Contended` when the
    /// watcher has stopped.
    pub(crate) fn commit(
        &self,
        pid: Pid,
        token: Token,
        former: Option<Token>,
    ) -> Result<Option<Token>, Contended> {
        let mut state = self.lock();
        if state.is_stopping {
            return Err(Contended);
        }
        let Committed { retired, .. } = state.registry.commit(pid, token, former)?;
        Ok(retired)
    }

    /// See [`Registry::commit_watch`]. The callback comes back also when the watcher has
    /// stopped.
    pub(crate) fn commit_watch(
        &self,
        pid: Pid,
        token: Token,
        former: Option<Token>,
        callback: ExitCallback,
    ) -> Result<(Entered, Option<Token>), ExitCallback> {
        let mut state = self.lock();
        if state.is_stopping {
            return Err(callback);
        }
        let (handle, Committed { is_due, retired }) =
            state.registry.commit_watch(pid, token, former, callback)?;
        Ok((self.entered(&state, handle, is_due), retired))
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
        Ok(self.entered(&state, handle, is_due))
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
        Ok(self.entered(&state, handle, is_due))
    }

    /// See [`Registry::unregister_pid`].
    pub(crate) fn unregister_pid(&self, pid: Pid) -> Option<Token> {
        self.lock().registry.unregister_pid(pid)
    }

    /// See [`Registry::exit_of`].
    pub(crate) fn exit_of(&self, token: Token) -> Option<Option<Exit>> {
        self.lock().registry.exit_of(token)
    }

    /// Takes a callback out, for the caller to drop outside the lock. A token that is to
    /// be disarmed is counted, until [`disarmed`](Self::disarmed).
    pub(crate) fn cancel(&self, handle: WatchHandle) -> Cancelled<ExitCallback> {
        let mut state = self.lock();
        let cancelled = state.registry.cancel(handle);
        if let Cancelled::Removed {
            retired: Some(_), ..
        } = cancelled
        {
            state.disarming += 1;
        }
        cancelled
    }

    /// The token that [`cancel`](Self::cancel) has counted is not armed any more.
    pub(crate) fn disarmed(&self, token: Token) {
        let mut state = self.lock();
        state.registry.release(token);
        state.disarming -= 1;
        if state.waiting != 0 {
            self.finished.notify_all();
        }
    }

    /// Waits until the callback is not running (any more). Never called on the
    /// watcher's own thread.
    pub(crate) fn wait_until_finished(&self, handle: WatchHandle) {
        self.wait_while(|state| state.registry.is_running(handle.id()));
    }

    /// One round of the watcher's thread: takes in the reports and runs what is
    /// due. `disarm` is called, without the lock, for each registration whose
    /// last callback has run.
    ///
    /// From the first callback of the round to the last the thread has the mask of the
    /// thread that made the watcher. After them it has its own again: the one that it came
    /// with, which the source may have changed.
    pub(crate) fn run_round(
        &self,
        context: &Context,
        reports: &mut Vec<Report>,
        disarm: impl Fn(Token),
    ) -> Next {
        let mut own_mask = None;
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
            if own_mask.is_none() {
                // Refused by a sandbox only. The thread keeps the mask that it has then.
                own_mask = context.creators.set().ok();
            }
            match run_callback(callback, exit, &context.origin) {
                Ended::Returned => {}
                Ended::Panicked if own_mask.is_some() => {
                    // What it had blocked, it has not unblocked.
                    let _ = context.creators.set();
                }
                Ended::Panicked => {}
                Ended::InCopy => return Next::Forked,
            }
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
        let next = if state.is_stopping {
            Next::Stop
        } else if state.registry.has_due() {
            Next::AskSourceAndReturn
        } else {
            Next::AskSource
        };
        drop(state);
        if let Some(own_mask) = own_mask {
            let _ = own_mask.set();
        }
        next
    }

    /// Lets the watcher's thread rest for `time`, or until a callback is due or the watcher
    /// stops.
    pub(crate) fn pause(&self, time: Duration) {
        let goes_on = |state: &mut State| !state.is_stopping && !state.registry.has_due();
        self.lock().is_pausing = true;
        // What has become due in between is seen before the wait begins.
        drop(self.finished.wait_timeout_while(self.lock(), time, goes_on));
        self.lock().is_pausing = false;
    }

    /// A callback has been added. If it is due, it ends a pause.
    fn entered(&self, state: &State, handle: WatchHandle, is_due: bool) -> Entered {
        if is_due && state.is_pausing {
            self.finished.notify_all();
        }
        Entered {
            handle,
            needs_wake: is_due && !state.in_round,
        }
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

    /// The watcher's thread ends, though nobody has stopped it. As `stop`; what the
    /// thread was running counts as finished.
    #[must_use]
    pub(crate) fn fail(&self) -> Vec<ExitCallback> {
        {
            let mut state = self.lock();
            state.registry.callback_finished();
            state.in_round = false;
        }
        self.stop()
    }

    /// Waits until the watcher's thread runs nothing; after `stop` it stays so.
    pub(crate) fn wait_until_idle(&self) {
        self.wait_while(|state| state.in_round);
    }

    /// Waits until no canceller disarms; after `stop` it stays so.
    pub(crate) fn wait_until_disarmed(&self) {
        self.wait_while(|state| state.disarming != 0);
    }

    fn wait_while(&self, goes_on: impl Fn(&State) -> bool) {
        let mut state = self.lock();
        state.waiting += 1;
        while goes_on(&state) {
            state = self
                .finished
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
    }

    /// How many callers wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting
    }

    /// No code that can panic runs under the lock, so poison would be a panic of
    /// the allocator's; the state is whole all the same.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
