//! [`Dispatch`]: the registry behind its lock, and the rounds in which the driving thread runs the
//! callbacks that are due. The driving thread is the watcher's own, or one of the program's that is
//! inside `drive`.
//!
//! # The lock
//!
//! One mutex guards the registry and the flags beside it. While it is held, the code takes no
//! other lock, waits for nothing, and runs no code of the user's: no callback, no `Drop` of a
//! captured value, no source. So the lock cannot deadlock. For one call it is held for some
//! tens of nanoseconds. The start of a round takes in all reports of a wait, and the end of the
//! watcher takes out all callbacks. The only calls that may reach the kernel are those of the allocator, and the
//! waking of threads that wait on `finished`.
//!
//! The lock is taken once for each callback: the section that marks one callback as finished
//! picks the next one.
//!
//! # Who waits for whom
//!
//! 1. A caller that unregisters a running callback waits for the driving thread. It waits on
//!    `finished`.
//! 2. The driving thread waits for callers in one case only: a callback drops the watcher (4).
//!    Otherwise it takes the lock, and in `pause` it waits for time to pass or for `stop`. Before the
//!    first callback of a round it waits, without the lock, until the program has taken a pending
//!    `SIGCHLD`. The end of the watcher ends this wait, and so does half a second.
//! 3. The thread that drops the watcher joins the watcher's own thread. If the kernel refuses to
//!    end the wait of that thread, and for a driven watcher, it waits for the end of the round
//!    instead, on `finished`.
//! 4. Then it waits on `finished` for the disarmings that cancellers have begun. A
//!    disarming makes quick system calls and runs no code of the user's. It waits at most for a
//!    look of the source on another thread, which does not block and waits for nothing. The
//!    captures of the cancelled callback are dropped after it.
//!
//! So no circle of waits goes through one watcher, whatever a callback or the `Drop` of a
//! captured value calls.
//!
//! # Forked copies
//!
//! A callback may fork, and the copy may return from it. In the copy, a thread that does not
//! exist there may hold the lock, and the source is the parent's. So after each callback the
//! thread first checks whether it is in a copy.

use std::sync::PoisonError;
use std::time::Duration;

use crate::contract::callback::{ExitCallback, WatchHandle};
use crate::contract::error::WatchError;
use crate::contract::exit::Exit;
use crate::contract::pid::Pid;
use crate::engine::callback_mask::CallbackMask;
use crate::engine::events;
use crate::engine::origin::Origin;
use crate::engine::registry::{
    Cancelled, Committed, Contended, Current, Due, Registry, Tally, Tenure,
};
use crate::engine::user_code::{Ended, run_callback};
use crate::platform::sync::{Condvar, Mutex, MutexGuard};
use crate::platform::thread_identity::ThreadIdentity;
use crate::source::report::Report;
use crate::source::token::Token;

/// How many callbacks run before the source is asked again. Without a limit, callbacks that
/// register ever more late callbacks would keep the thread from seeing exits.
const CALLBACKS_PER_ROUND: usize = 1024;

pub(crate) struct Dispatch {
    state: Mutex<State>,
    /// Signalled when a callback or a disarming has finished for which a thread waits, when the
    /// watcher stops, and when a callback is due during a pause.
    finished: Condvar,
}

/// What a round needs to know of the watcher's creation.
pub(crate) struct Context {
    /// The process that made the watcher.
    pub(crate) origin: Origin,
    /// The mask that callbacks run with (C4). `None` if the program drives. Then no mask is looked
    /// at or changed.
    pub(crate) callback_mask: Option<CallbackMask>,
}

struct State {
    registry: Registry<ExitCallback>,
    /// The thread that is in a round. It looks at the registry once more before it asks the
    /// source, so it need not be woken.
    round: Option<ThreadIdentity>,
    /// The watcher's thread is in [`Dispatch::pause`].
    is_pausing: bool,
    is_stopping: bool,
    /// How many callers wait on `finished`.
    waiting: usize,
    /// How many cancellers have begun a disarming that has not ended.
    disarming: usize,
    /// How many callbacks have panicked.
    panicked: u64,
}

/// The result of a round.
#[derive(Debug)]
pub(crate) struct Round {
    /// How many callbacks have run. A callback that a forked copy returns from is not counted.
    pub(crate) callbacks: usize,
    pub(crate) next: Next,
}

/// What a watcher has when it stops.
pub(crate) struct Stopped {
    /// The callbacks that have not begun to run.
    pub(crate) callbacks: Vec<ExitCallback>,
    /// What the source has armed. The caller disarms and releases each.
    pub(crate) armed: Vec<Token>,
}

/// What the thread does after a round.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    AskSource,
    /// Callbacks are still due. The source is asked, but the thread does not wait in it.
    AskSourceAndReturn,
    Stop,
    /// This is a forked copy of the process.
    Forked,
}

/// A callback that has been added to the registry.
pub(crate) struct AddedCallback {
    pub(crate) handle: WatchHandle,
    /// The callback is due, and the driving thread would not look by itself.
    pub(crate) needs_wake: bool,
}

impl Dispatch {
    pub(crate) fn new() -> Self {
        Dispatch {
            state: Mutex::new(State {
                registry: Registry::new(),
                round: None,
                is_pausing: false,
                is_stopping: false,
                waiting: 0,
                disarming: 0,
                panicked: 0,
            }),
            finished: Condvar::new(),
        }
    }

    /// Returns `Stopped` if the watcher has stopped.
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

    /// See [`Registry::current`].
    pub(crate) fn current(&self, pid: Pid) -> Result<Option<Current>, WatchError> {
        let state = self.lock();
        if state.is_stopping {
            return Err(WatchError::Stopped);
        }
        Ok(state.registry.current(pid))
    }

    pub(crate) fn reserve(&self, pid: Pid) -> Token {
        self.lock().registry.reserve(pid)
    }

    pub(crate) fn release(&self, token: Token) {
        self.lock().registry.release(token);
    }

    /// See [`Registry::commit`]. Returns the token that the caller retires. If the watcher has
    /// stopped, the answer is `Contended` too.
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

    /// See [`Registry::commit_watch`]. If the watcher has stopped, the callback is returned too.
    pub(crate) fn commit_watch(
        &self,
        pid: Pid,
        token: Token,
        former: Option<Token>,
        callback: ExitCallback,
    ) -> Result<(AddedCallback, Option<Token>), ExitCallback> {
        let mut state = self.lock();
        if state.is_stopping {
            return Err(callback);
        }
        let (handle, Committed { is_due, retired }) =
            state.registry.commit_watch(pid, token, former, callback)?;
        Ok((self.added(&state, handle, is_due), retired))
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
    ) -> Result<AddedCallback, ExitCallback> {
        let mut state = self.lock();
        let (handle, is_due) = state.registry.join(token, callback)?;
        Ok(self.added(&state, handle, is_due))
    }

    /// Adds a callback to `pid`'s registration, if that is held.
    pub(crate) fn join_held(
        &self,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<AddedCallback, ExitCallback> {
        let mut state = self.lock();
        let (handle, is_due) = match state.registry.current(pid) {
            Some(Current {
                token,
                tenure: Tenure::Held,
            }) => state.registry.join(token, callback)?,
            Some(_) | None => return Err(callback),
        };
        Ok(self.added(&state, handle, is_due))
    }

    /// See [`Registry::unregister_pid`].
    pub(crate) fn unregister_pid(&self, pid: Pid) -> Option<Token> {
        self.lock().registry.unregister_pid(pid)
    }

    /// See [`Registry::exit_of`].
    pub(crate) fn exit_of(&self, token: Token) -> Option<Option<Exit>> {
        self.lock().registry.exit_of(token)
    }

    /// Takes a callback out. The caller drops it outside the lock. If the caller has to disarm
    /// a token, the disarming counts as begun until [`disarmed`](Self::disarmed).
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

    /// Ends a disarming that [`cancel`](Self::cancel) has begun, and releases the token.
    pub(crate) fn disarmed(&self, token: Token) {
        let mut state = self.lock();
        state.registry.release(token);
        state.disarming -= 1;
        if state.waiting != 0 {
            self.finished.notify_all();
        }
    }

    /// Waits until the callback is not running. Must not be called on the thread that is in a
    /// round.
    pub(crate) fn wait_until_finished(&self, handle: WatchHandle) {
        self.wait_while(|state| state.registry.is_running(handle.id()));
    }

    /// Runs one round of the driving thread: takes in the reports and runs the callbacks that
    /// are due. If a registration ends with a callback, `disarm` is called after it, without the
    /// lock.
    ///
    /// From the first callback of the round to the last, the watcher's own thread has the
    /// [`CallbackMask`]. After them it has the mask with which it began the round. The source may have
    /// changed that mask before.
    pub(crate) fn run_round(
        &self,
        context: &mut Context,
        reports: &mut Vec<Report>,
        disarm: impl Fn(Token),
    ) -> Round {
        // The thread's own mask, while it has that of callbacks.
        let mut own_mask = None;
        let mut ran = 0;
        let here = ThreadIdentity::current();
        let mut exits = events::NewExits::new();
        let mut state = self.lock();
        state.round = Some(here);
        for report in reports.drain(..) {
            let status = report.status;
            if let Some(pid) = state.registry.process_exited(report) {
                exits.push(pid, status);
            }
        }
        if !exits.is_empty() {
            drop(state);
            exits.emit();
            state = self.lock();
        }
        for _ in 0..CALLBACKS_PER_ROUND {
            if let (Some(callback_mask), None) = (&mut context.callback_mask, &own_mask) {
                if !state.is_stopping && state.registry.has_due() {
                    // No callback is taken out yet. So a cancellation does not wait for it, and the
                    // end of the watcher drops it and ends this wait.
                    drop(state);
                    // Only a sandbox refuses this. The thread then keeps its own mask.
                    own_mask = callback_mask.put_on(|| self.check().is_ok()).ok();
                    state = self.lock();
                }
            }
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
            let running = events::Running::begin();
            let ended = run_callback(callback, exit, &context.origin);
            match ended {
                Ended::Returned => running.returned(exit.pid()),
                Ended::Panicked => {
                    // The callback may have changed the mask and not restored it.
                    if let (Some(callback_mask), Some(_)) = (&context.callback_mask, &own_mask) {
                        let _ = callback_mask.put_on_again();
                    }
                    running.panicked(exit.pid());
                }
                Ended::InCopy => {
                    return Round {
                        callbacks: ran,
                        next: Next::Forked,
                    };
                }
            }
            ran += 1;
            if let Some(token) = retired {
                disarm(token);
            }
            state = self.lock();
            state.registry.callback_finished();
            state.panicked += u64::from(ended == Ended::Panicked);
            if let Some(token) = retired {
                state.registry.release(token);
            }
            if state.waiting != 0 {
                self.finished.notify_all();
            }
        }
        state.round = None;
        // A thread may have begun to wait for the end of the round while no callback ran: while the
        // exits were emitted, or while the program took its signal.
        if state.waiting != 0 {
            self.finished.notify_all();
        }
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
        Round {
            callbacks: ran,
            next,
        }
    }

    /// Blocks the watcher's thread for `time`, or until a callback is due or the watcher stops.
    pub(crate) fn pause(&self, time: Duration) {
        let goes_on = |state: &mut State| !state.is_stopping && !state.registry.has_due();
        self.lock().is_pausing = true;
        // The wait looks at the registry first. So it sees a callback that has become due
        // between the two sections.
        drop(self.finished.wait_timeout_while(self.lock(), time, goes_on));
        self.lock().is_pausing = false;
    }

    /// Ends a pause if the added callback is due.
    fn added(&self, state: &State, handle: WatchHandle, is_due: bool) -> AddedCallback {
        if is_due && state.is_pausing {
            self.finished.notify_all();
        }
        AddedCallback {
            handle,
            needs_wake: is_due && state.round.is_none(),
        }
    }

    /// Stops the watcher: from here on no callback begins to run. Returns the callbacks that
    /// have not begun. The caller drops them outside the lock.
    #[must_use]
    pub(crate) fn stop(&self) -> Vec<ExitCallback> {
        self.stop_with(|_| ()).0
    }

    /// As [`stop`](Self::stop), and returns what is armed too. A token that another thread is
    /// arming or disarming is not among it: that thread disarms it.
    #[must_use]
    pub(crate) fn stop_and_disarm(&self) -> Stopped {
        let (callbacks, armed) = self.stop_with(|registry| registry.registered_tokens());
        Stopped { callbacks, armed }
    }

    fn stop_with<T>(
        &self,
        list: impl FnOnce(&mut Registry<ExitCallback>) -> T,
    ) -> (Vec<ExitCallback>, T) {
        let mut state = self.lock();
        state.is_stopping = true;
        let listed = list(&mut state.registry);
        let callbacks = state.registry.take_all();
        drop(state);
        self.finished.notify_all();
        (callbacks, listed)
    }

    /// Stops the watcher because its source has panicked. As `stop`, and the callback that
    /// was running counts as finished.
    #[must_use]
    pub(crate) fn fail(&self) -> Vec<ExitCallback> {
        {
            let mut state = self.lock();
            state.registry.callback_finished();
            state.round = None;
        }
        self.stop()
    }

    /// Returns `true` if the calling thread is in a round: the call comes from inside a
    /// callback.
    pub(crate) fn is_in_round_here(&self) -> bool {
        self.lock().round == Some(ThreadIdentity::current())
    }

    /// Waits until no callback runs. After `stop` no further one begins. Must not be called
    /// inside a callback.
    pub(crate) fn wait_until_idle(&self) {
        self.wait_while(|state| state.round.is_some());
    }

    /// Waits until no canceller disarms. After `stop` no further one begins.
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

    /// What the registry counts, and how many callbacks have panicked.
    pub(crate) fn counts(&self) -> (Tally, u64) {
        let state = self.lock();
        (state.registry.tally(), state.panicked)
    }

    /// How many callers wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting
    }

    /// No code that can panic runs under the lock, except for the allocator. Even after a panic
    /// there, the state is whole. So poison is ignored.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
