//! [`ThreadedWatcher`]: the engine, one thread between an [`ExitSource`] and the
//! callbacks.

use std::fmt;
use std::io;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, Weak};

use crate::contract::callback::{ExitCallback, Unregistered, WatchHandle};
use crate::contract::canceller::Canceller;
use crate::contract::error::WatchError;
use crate::contract::exit::Exit;
use crate::contract::pid::Pid;
use crate::contract::watcher::PidWatcher;
use crate::engine::backoff::Backoff;
use crate::engine::dispatch::{Context, Dispatch, Entered, Next};
use crate::engine::origin::Origin;
use crate::engine::quiet_thread::{self, NAME_BYTES, QuietThread};
use crate::engine::registry::{Contended, Current, Tenure};
use crate::engine::remains::{Disarms, EnginesCanceller, Remains};
use crate::engine::signal_mask::SignalMask;
use crate::engine::user_code::{drop_all, drop_quietly};
use crate::platform::sync::thread;
use crate::source::exit_source::ExitSource;
use crate::source::report::Report;
use crate::source::token::Token;

/// A [`PidWatcher`] over any [`ExitSource`]: all the semantics of callbacks,
/// written once.
///
/// It owns one thread, on which no signal handler of the program runs except in a
/// callback. Dropping it ends the thread; see C12 for what that promises.
pub struct ThreadedWatcher<S: ExitSource> {
    shared: Arc<Shared<S>>,
    /// What each future of the watcher has a share of.
    canceller: Canceller,
    /// `None` once `drop` has begun.
    thread: Option<QuietThread>,
}

/// What ends with the watcher: its thread and its `Drop` are the only ones that own it.
struct Shared<S> {
    remains: Arc<Remains>,
    source: S,
}

impl<S: ExitSource> ThreadedWatcher<S> {
    /// Starts the watcher's thread.
    ///
    /// # Errors
    ///
    /// [`ResourceLimit`](WatchError::ResourceLimit) when no thread can be had, or
    /// [`Unsupported`](WatchError::Unsupported) where a sandbox forbids it; the source is
    /// dropped then.
    pub fn start(source: S, waiter: S::Waiter) -> Result<Self, WatchError> {
        const {
            assert!(
                S::THREAD_NAME.len() <= NAME_BYTES,
                "Linux shows 15 bytes of a thread's name"
            );
        }
        let shared = Arc::new(Shared {
            remains: Arc::new(Remains {
                origin: Origin::here(),
                dispatch: Dispatch::new(),
                thread: OnceLock::new(),
            }),
            source,
        });
        let thread = quiet_thread::spawn(S::THREAD_NAME, "the watcher's thread", {
            let shared = Arc::clone(&shared);
            move |creators| run(shared, waiter, creators)
        })?;
        let source: Weak<Shared<S>> = Arc::downgrade(&shared);
        let canceller = Canceller::new(Arc::new(EnginesCanceller {
            remains: Arc::clone(&shared.remains),
            source,
        }));
        Ok(ThreadedWatcher {
            shared,
            canceller,
            thread: Some(thread),
        })
    }

    /// The source that this watcher asks.
    pub fn source(&self) -> &S {
        &self.shared.source
    }
}

impl<S: ExitSource> PidWatcher for ThreadedWatcher<S> {
    fn register_pid(&self, pid: Pid) -> Result<(), WatchError> {
        self.shared.remains.origin.check()?;
        self.shared.register_pid(pid)
    }

    fn unregister_pid(&self, pid: Pid) {
        if self.shared.remains.origin.check().is_ok() {
            let retired = self.shared.dispatch().unregister_pid(pid);
            self.shared.retire(retired);
        }
    }

    fn register_callback(
        &self,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        self.shared.remains.origin.check()?;
        match self.shared.dispatch().join_held(pid, callback) {
            Ok(entered) => self.shared.rouse(entered),
            Err(_callback) => {
                self.shared.dispatch().check()?;
                Err(WatchError::NotRegistered { pid })
            }
        }
    }

    fn unregister_callback(&self, handle: WatchHandle) -> Unregistered {
        self.shared.unregister_callback(handle)
    }

    fn watch(&self, pid: Pid, callback: ExitCallback) -> Result<WatchHandle, WatchError> {
        self.shared.remains.origin.check()?;
        self.shared.watch(pid, callback)
    }

    fn try_wait(&self, pid: Pid) -> Result<Option<Exit>, WatchError> {
        self.shared.remains.origin.check()?;
        self.shared.try_wait(pid)
    }

    fn canceller(&self) -> Option<Canceller> {
        Some(self.canceller.clone())
    }
}

impl<S: ExitSource> Drop for ThreadedWatcher<S> {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        let Remains {
            origin, dispatch, ..
        } = &*self.shared.remains;
        if origin.check_twice().is_err() {
            // A forked copy has neither the thread nor, perhaps, a free lock, and
            // its epoll instance is the parent's: everything stays as it is.
            mem::forget(thread);
            mem::forget(Arc::clone(&self.shared));
            return;
        }
        // A thread that has ended by a panic of its source need not be woken, and its
        // source had better not be called.
        let has_ended = dispatch.check().is_err();
        let callbacks = dispatch.stop();
        let woken = if has_ended {
            Ok(())
        } else {
            wake_for_the_end(&self.shared.source)
        };
        if thread.is_current() {
            // Inside a callback: the thread ends when that has returned.
            drop(thread);
        } else if woken.is_ok() {
            thread.join();
        } else {
            // The kernel won't let us end its wait. It runs nothing more.
            dispatch.wait_until_idle();
        }
        dispatch.wait_until_disarmed();
        drop_all(callbacks);
        if origin.check().is_err() {
            // A captured value has forked when it was dropped, and this is the copy.
            mem::forget(Arc::clone(&self.shared));
        }
    }
}

/// A thread that isn't woken now is never again: what refuses it may be over at once.
pub(crate) fn wake_for_the_end(source: &impl ExitSource) -> io::Result<()> {
    source.wake().or_else(|_| source.wake())
}

impl<S: ExitSource> fmt::Debug for ThreadedWatcher<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadedWatcher")
            .field("source", &self.shared.source)
            .finish_non_exhaustive()
    }
}

impl<S: ExitSource> Disarms for Shared<S> {
    fn disarm(&self, token: Token) {
        self.source.disarm(token);
    }
}

impl<S: ExitSource> Shared<S> {
    fn dispatch(&self) -> &Dispatch {
        &self.remains.dispatch
    }

    fn register_pid(&self, pid: Pid) -> Result<(), WatchError> {
        loop {
            let (token, former) = match self.dispatch().reserve_unless_current(pid)? {
                Ok(token) => (token, None),
                Err(Current { token, tenure }) if !self.source.is_reaped(token) => match tenure {
                    Tenure::Held => return Err(WatchError::AlreadyRegistered { pid }),
                    Tenure::Ephemeral if self.dispatch().hold(token) => return Ok(()),
                    // Its last callback has run since, or another call has made it
                    // last: look again.
                    Tenure::Ephemeral => continue,
                },
                // The number is free, or another process's (C13).
                Err(Current { token, .. }) => (self.dispatch().reserve(pid), Some(token)),
            };
            self.arm(pid, token)?;
            match self.dispatch().commit(pid, token, former) {
                Ok(retired) => {
                    self.retire(retired);
                    return Ok(());
                }
                // Look again.
                Err(Contended) => self.retire(Some(token)),
            }
        }
    }

    fn watch(&self, pid: Pid, mut callback: ExitCallback) -> Result<WatchHandle, WatchError> {
        loop {
            let (token, former) = match self.dispatch().reserve_unless_current(pid)? {
                Ok(token) => (token, None),
                Err(Current { token, .. }) if !self.source.is_reaped(token) => {
                    match self.dispatch().join(token, callback) {
                        Ok(entered) => return self.rouse(entered),
                        Err(refused) => callback = refused,
                    }
                    continue;
                }
                Err(Current { token, .. }) => (self.dispatch().reserve(pid), Some(token)),
            };
            match (self.arm(pid, token), former) {
                (Ok(()), _) => {}
                // The number is nobody's now: the registration's own process is
                // the only one that can be meant, and its callbacks come late (C5).
                (Err(WatchError::NoSuchProcess { .. }), Some(former)) => {
                    match self.dispatch().join(former, callback) {
                        Ok(entered) => return self.rouse(entered),
                        Err(refused) => callback = refused,
                    }
                    continue;
                }
                (Err(error), _) => return Err(error),
            }
            match self.dispatch().commit_watch(pid, token, former, callback) {
                Ok((entered, retired)) => {
                    self.retire(retired);
                    return self.rouse(entered);
                }
                Err(refused) => {
                    self.retire(Some(token));
                    callback = refused;
                }
            }
        }
    }

    fn try_wait(&self, pid: Pid) -> Result<Option<Exit>, WatchError> {
        loop {
            match self.dispatch().reserve_unless_current(pid)? {
                Ok(token) => return self.look_at_stranger(pid, token),
                Err(Current { token, .. }) => {
                    if let Some(found) = self.exit_of(pid, token) {
                        return Ok(found);
                    }
                }
            }
            // The registration has ended meanwhile: look again.
        }
    }

    /// The exit of a registration's process, if it is known or one look finds it; `None`
    /// when the registration is gone.
    fn exit_of(&self, pid: Pid, token: Token) -> Option<Option<Exit>> {
        if let known @ Some(_) = self.dispatch().exit_of(token)? {
            return Some(known);
        }
        if let Some(Report { status, .. }) = self.source.look(token) {
            return Some(Some(Exit::new(pid, status)));
        }
        // If the registration is there still, it was there during the look. Otherwise
        // the look may have found nothing because the token was disarmed.
        self.dispatch().exit_of(token)
    }

    /// Arms a process for one look.
    fn look_at_stranger(&self, pid: Pid, token: Token) -> Result<Option<Exit>, WatchError> {
        self.arm(pid, token)?;
        let armed = Retired {
            shared: self,
            token,
        };
        let found = self.source.look(token);
        drop(armed);
        Ok(found.map(|Report { status, .. }| Exit::new(pid, status)))
    }

    /// Arms a reserved token, or gives it back: also when the source panics.
    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        let reserved = Reserved {
            dispatch: self.dispatch(),
            token,
        };
        self.source.arm(pid, token)?;
        mem::forget(reserved);
        Ok(())
    }

    /// Gives back what the source holds for a registration that nobody holds.
    fn retire(&self, token: Option<Token>) {
        if let Some(token) = token {
            drop(Retired {
                shared: self,
                token,
            });
        }
    }

    /// Sees to it that a callback which is due at once is run. When the kernel
    /// refuses to wake the thread, the callback is taken out again (C2).
    fn rouse(&self, Entered { handle, needs_wake }: Entered) -> Result<WatchHandle, WatchError> {
        if !needs_wake {
            return Ok(handle);
        }
        let Err(source) = self.source.wake() else {
            return Ok(handle);
        };
        match self.unregister_callback(handle) {
            Unregistered::WillNotRun => Err(WatchError::Os {
                operation: "waking the watcher's thread",
                pid: Some(handle.pid()),
                source,
            }),
            Unregistered::HasRun | Unregistered::IsRunning | Unregistered::NotPending => Ok(handle),
        }
    }

    fn unregister_callback(&self, handle: WatchHandle) -> Unregistered {
        let disarm = |token| self.source.disarm(token);
        self.remains.unregister_callback(handle, disarm)
    }

    /// The loop of the watcher's thread.
    fn run(
        &self,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
        creators: SignalMask,
    ) -> Ended {
        let context = Context {
            origin: self.remains.origin,
            creators,
        };
        self.source.start(waiter);
        let mut pauses = Backoff::new();
        loop {
            let waited = self.source.wait(waiter, reports);
            // A wait may have failed after it had found exits.
            if let Some(ended) = self.run_what_is_due(&context, reports) {
                return ended;
            }
            if let Some(pause) = pauses.after(&waited) {
                self.dispatch().pause(pause);
                if let Some(ended) = self.run_what_is_due(&context, reports) {
                    return ended;
                }
            }
        }
    }

    /// Takes in the reports and runs what is due. Returns `None` if the source is to be asked
    /// next.
    fn run_what_is_due(&self, context: &Context, reports: &mut Vec<Report>) -> Option<Ended> {
        loop {
            let disarm = |token| self.source.disarm(token);
            match self.dispatch().run_round(context, reports, disarm) {
                Next::Stop => return Some(Ended::Stopped),
                Next::Forked => return Some(Ended::Forked),
                Next::AskSource => return None,
                Next::AskSourceAndReturn if self.source.wake().is_ok() => return None,
                Next::AskSourceAndReturn => {}
            }
        }
    }
}

/// Why the loop has ended.
enum Ended {
    Stopped,
    /// This is a forked copy of the process, made in a callback.
    Forked,
}

/// The watcher's thread.
fn run<S: ExitSource>(shared: Arc<Shared<S>>, waiter: S::Waiter, creators: SignalMask) {
    shared.remains.thread.get_or_init(|| thread::current().id());
    let mut waiter = ManuallyDrop::new(waiter);
    let mut reports = ManuallyDrop::new(Vec::new());
    let shared = ManuallyDrop::new(shared);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        shared.run(&mut waiter, &mut reports, creators)
    }));
    match ended {
        // Everything here is the parent's (C15), and the thread ends.
        Ok(Ended::Forked) => return,
        Ok(Ended::Stopped) => {}
        // The source's (S9): a callback's panic does not come here.
        Err(payload) => {
            drop_quietly(payload);
            drop_all(shared.dispatch().fail());
        }
    }
    drop(ManuallyDrop::into_inner(reports));
    drop_quietly(ManuallyDrop::into_inner(waiter));
    drop_quietly(ManuallyDrop::into_inner(shared));
}

/// A token that is released when dropped, unless its arming has succeeded.
struct Reserved<'a> {
    dispatch: &'a Dispatch,
    token: Token,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.dispatch.release(self.token);
    }
}

/// An armed token that is disarmed and released when dropped.
struct Retired<'a, S: ExitSource> {
    shared: &'a Shared<S>,
    token: Token,
}

impl<S: ExitSource> Drop for Retired<'_, S> {
    fn drop(&mut self) {
        // Released also when the source panics.
        let _released = Reserved {
            dispatch: self.shared.dispatch(),
            token: self.token,
        };
        self.shared.source.disarm(self.token);
    }
}

#[cfg(test)]
mod failing;

#[cfg(test)]
mod panicking;
