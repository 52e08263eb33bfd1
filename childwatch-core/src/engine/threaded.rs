//! [`ThreadedWatcher`]: the engine. Its thread stands between an [`ExitSource`] and the
//! callbacks.

use std::fmt;
use std::io;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, Weak};

use crate::contract::callback::{ExitCallback, Unregistered, WatchHandle};
use crate::contract::canceller::Canceller;
use crate::contract::error::WatchError;
use crate::contract::exit::Exit;
use crate::contract::pid::Pid;
use crate::contract::watcher::PidWatcher;
use crate::engine::backoff::Backoff;
use crate::engine::dispatch::{AddedCallback, Context, Dispatch, Next};
use crate::engine::origin::Origin;
use crate::engine::quiet_thread::{self, NAME_BYTES, QuietThread};
use crate::engine::registry::{Contended, Current, Tenure};
use crate::engine::remains::{Disarms, EngineCanceller, Remains};
use crate::engine::signal_mask::SignalMask;
use crate::engine::user_code::{drop_all, drop_quietly};
use crate::platform::thread_identity::ThreadIdentity;
use crate::source::exit_source::ExitSource;
use crate::source::report::Report;
use crate::source::token::Token;

/// A [`PidWatcher`] over any [`ExitSource`]. It implements all semantics of callbacks.
///
/// The watcher owns one thread. A signal handler of the program runs there only during a
/// callback. Dropping the watcher ends the thread, as clause C12 says.
pub struct ThreadedWatcher<S: ExitSource> {
    shared: Arc<Shared<S>>,
    /// Every future of the watcher has a clone of it.
    canceller: Canceller,
    /// `None` once `drop` has begun.
    thread: Option<QuietThread>,
}

/// The part that ends with the watcher. Only the watcher and its thread own it.
struct Shared<S> {
    remains: Arc<Remains>,
    source: S,
}

impl<S: ExitSource> ThreadedWatcher<S> {
    /// Starts the watcher's thread.
    ///
    /// # Errors
    ///
    /// Each error drops the source.
    ///
    /// - [`ResourceLimit`](WatchError::ResourceLimit) if a limit or the memory does not allow
    ///   another thread.
    /// - [`Unsupported`](WatchError::Unsupported) if a sandbox forbids threads or signal masks,
    ///   or the process has unshared its pid namespace.
    /// - [`Os`](WatchError::Os) with any other answer of the kernel.
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
            move |creator_mask| run(shared, waiter, creator_mask)
        })?;
        let source: Weak<Shared<S>> = Arc::downgrade(&shared);
        let canceller = Canceller::new(Arc::new(EngineCanceller {
            remains: Arc::clone(&shared.remains),
            source,
        }));
        Ok(ThreadedWatcher {
            shared,
            canceller,
            thread: Some(thread),
        })
    }

    /// The watcher's source.
    pub fn source(&self) -> &S {
        &self.shared.source
    }
}

// A panic of a callback or of a captured value leaves the registry whole (C11). A panic of the
// source on the watcher's thread ends the watcher (S9). On a caller's thread the source panics
// without the lock of the engine, and the token is given back.
impl<S: ExitSource> UnwindSafe for ThreadedWatcher<S> {}
impl<S: ExitSource> RefUnwindSafe for ThreadedWatcher<S> {}

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
            Ok(added) => self.shared.wake_if_needed(added),
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
            // A forked copy does not have the thread. Another thread may have held a lock at
            // the fork. The epoll instance is the parent's. So everything stays as it is.
            mem::forget(thread);
            mem::forget(Arc::clone(&self.shared));
            return;
        }
        // If a panic of the source has ended the thread, there is nothing to wake. A source
        // that has panicked is not called again.
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
            // The kernel refuses to end the thread's wait. The thread runs nothing more.
            dispatch.wait_until_idle();
        }
        dispatch.wait_until_disarmed();
        if drop_all(callbacks, origin).is_err() {
            // The `Drop` of a captured value has forked, and this is the copy.
            mem::forget(Arc::clone(&self.shared));
        }
    }
}

/// Wakes the thread that waits in the source. This is the last chance to wake it, so a refusal
/// is answered by a second try: the cause may be over.
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
                    // In between, its last callback has run, or another call has made it
                    // `Held`. Look again.
                    Tenure::Ephemeral => continue,
                },
                // The pid is free, or belongs to another process (C13).
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
                        Ok(added) => return self.wake_if_needed(added),
                        Err(refused) => callback = refused,
                    }
                    continue;
                }
                Err(Current { token, .. }) => (self.dispatch().reserve(pid), Some(token)),
            };
            match (self.arm(pid, token), former) {
                (Ok(()), _) => {}
                // No process has this pid now. So the caller means the registration's
                // process, which was reaped, and the callback is a late one (C5).
                (Err(WatchError::NoSuchProcess { .. }), Some(former)) => {
                    match self.dispatch().join(former, callback) {
                        Ok(added) => return self.wake_if_needed(added),
                        Err(refused) => callback = refused,
                    }
                    continue;
                }
                (Err(error), _) => return Err(error),
            }
            match self.dispatch().commit_watch(pid, token, former, callback) {
                Ok((added, retired)) => {
                    self.retire(retired);
                    return self.wake_if_needed(added);
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

    /// The exit of a registration's process, if it is known or one look finds it. Returns
    /// `None` if the registration is gone.
    fn exit_of(&self, pid: Pid, token: Token) -> Option<Option<Exit>> {
        if let known @ Some(_) = self.dispatch().exit_of(token)? {
            return Some(known);
        }
        if let Some(Report { status, .. }) = self.source.look(token) {
            return Some(Some(Exit::new(pid, status)));
        }
        // If the registration is still there, it was there during the look. Otherwise the
        // look may have found nothing because the token was disarmed.
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

    /// Arms a reserved token. If the source refuses or panics, the token is released.
    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        let reserved = Reserved {
            dispatch: self.dispatch(),
            token,
        };
        self.source.arm(pid, token)?;
        mem::forget(reserved);
        Ok(())
    }

    /// Disarms and releases the token of a retired registration.
    fn retire(&self, token: Option<Token>) {
        if let Some(token) = token {
            drop(Retired {
                shared: self,
                token,
            });
        }
    }

    /// Wakes the watcher's thread if the new callback is due and the thread would not see it.
    /// If the kernel refuses to wake the thread, the callback is taken out again (C2).
    fn wake_if_needed(
        &self,
        AddedCallback { handle, needs_wake }: AddedCallback,
    ) -> Result<WatchHandle, WatchError> {
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
        creator_mask: SignalMask,
    ) -> Ended {
        let context = Context {
            origin: self.remains.origin,
            creator_mask,
        };
        self.source.start(waiter);
        let mut pauses = Backoff::new();
        loop {
            let waited = self.source.wait(waiter, reports);
            // A wait that fails may have found exits before.
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

    /// Takes in the reports and runs the callbacks that are due. Returns `None` if the thread
    /// asks the source next.
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
fn run<S: ExitSource>(shared: Arc<Shared<S>>, waiter: S::Waiter, creator_mask: SignalMask) {
    shared.remains.thread.get_or_init(ThreadIdentity::current);
    let mut waiter = ManuallyDrop::new(waiter);
    let mut reports = ManuallyDrop::new(Vec::new());
    let shared = ManuallyDrop::new(shared);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        shared.run(&mut waiter, &mut reports, creator_mask)
    }));
    match ended {
        // Everything here belongs to the parent (C15). The copy's thread ends.
        Ok(Ended::Forked) => return,
        Ok(Ended::Stopped) => {}
        // A panic of the source (S9). Those of callbacks are caught where they run.
        Err(payload) => {
            drop_quietly(payload);
            let callbacks = shared.dispatch().fail();
            if drop_all(callbacks, &shared.remains.origin).is_err() {
                // As after a callback that has forked.
                return;
            }
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
