//! [`ThreadedWatcher`]: the engine, one thread between an [`ExitSource`] and the
//! callbacks.

use std::fmt;
use std::io;
use std::mem;
use std::sync::{Arc, OnceLock, Weak};

use crate::callback::CallbackCanceller;
use crate::dispatch::{self, Dispatch, Entered, Next};
use crate::origin::Origin;
use crate::pauses::Pauses;
use crate::quiet_thread;
use crate::registry::{Cancelled, Contended, Current, Tenure};
use crate::sync::thread::{self, JoinHandle, ThreadId};
use crate::{
    ExitCallback, ExitSource, Pid, PidWatcher, Token, Unregistered, WatchError, WatchHandle,
};

/// A [`PidWatcher`] over any [`ExitSource`]: all the semantics of callbacks,
/// written once.
///
/// It owns one thread, on which no signal handler of the program runs. Dropping
/// it ends the thread; see C12 for what that promises.
pub struct ThreadedWatcher<S: ExitSource> {
    shared: Arc<Shared<S>>,
    /// `None` once `drop` has begun.
    thread: Option<JoinHandle<()>>,
}

struct Shared<S> {
    origin: Origin,
    source: S,
    dispatch: Dispatch,
    /// The watcher's thread, set before it runs anything.
    thread: OnceLock<ThreadId>,
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
        let shared = Arc::new(Shared {
            origin: Origin::here(),
            source,
            dispatch: Dispatch::new(),
            thread: OnceLock::new(),
        });
        let thread = quiet_thread::spawn(S::THREAD_NAME, "the watcher's thread", {
            let shared = Arc::clone(&shared);
            move || shared.run(waiter)
        })?;
        Ok(ThreadedWatcher {
            shared,
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
        self.shared.origin.check()?;
        self.shared.register_pid(pid)
    }

    fn unregister_pid(&self, pid: Pid) {
        if self.shared.origin.check().is_ok() {
            let retired = self.shared.dispatch.unregister_pid(pid);
            self.shared.retire(retired);
        }
    }

    fn register_callback(
        &self,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        self.shared.origin.check()?;
        match self.shared.dispatch.join_held(pid, callback) {
            Ok(entered) => self.shared.rouse(entered),
            Err(_callback) => Err(WatchError::NotRegistered { pid }),
        }
    }

    fn unregister_callback(&self, handle: WatchHandle) -> Unregistered {
        self.shared.unregister_callback(handle)
    }

    fn watch(&self, pid: Pid, callback: ExitCallback) -> Result<WatchHandle, WatchError> {
        self.shared.origin.check()?;
        self.shared.watch(pid, callback)
    }

    fn canceller(&self) -> Option<Weak<dyn CallbackCanceller>> {
        let shared: Weak<Shared<S>> = Arc::downgrade(&self.shared);
        Some(shared)
    }
}

impl<S: ExitSource> Drop for ThreadedWatcher<S> {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        if self.shared.origin.check_twice().is_err() {
            // A forked copy has neither the thread nor, perhaps, a free lock, and
            // its epoll instance is the parent's: everything stays as it is.
            mem::forget(thread);
            mem::forget(Arc::clone(&self.shared));
            return;
        }
        let callbacks = self.shared.dispatch.stop();
        let woken = wake_for_the_end(&self.shared.source);
        if thread.thread().id() == thread::current().id() {
            // Inside a callback: the thread ends when that has returned.
            drop(thread);
        } else if woken.is_ok() {
            // The thread catches every panic of a callback, so there is none to
            // pass on.
            let _ = thread.join();
        } else {
            // The kernel won't let us end its wait. It runs nothing more.
            self.shared.dispatch.wait_until_idle();
        }
        for callback in callbacks {
            dispatch::drop_quietly(callback);
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

impl<S: ExitSource> CallbackCanceller for Shared<S> {
    fn unregister_callback(&self, handle: WatchHandle) -> Unregistered {
        if self.origin.check().is_err() {
            return Unregistered::WillNotRun;
        }
        match self.dispatch.cancel(handle) {
            Cancelled::Removed { callback, retired } => {
                // In this order: the captured values' Drop may panic.
                self.retire(retired);
                drop(callback);
                Unregistered::WillNotRun
            }
            Cancelled::Running if self.is_own_thread() => Unregistered::IsRunning,
            Cancelled::Running => {
                self.dispatch.wait_until_finished(handle);
                Unregistered::HasRun
            }
            Cancelled::Absent => Unregistered::HasRun,
        }
    }
}

impl<S: ExitSource> Shared<S> {
    fn register_pid(&self, pid: Pid) -> Result<(), WatchError> {
        loop {
            let (token, former) = match self.dispatch.reserve_unless_current(pid) {
                Ok(token) => (token, None),
                Err(Current { token, tenure }) if !self.source.is_reaped(token) => match tenure {
                    Tenure::Held => return Err(WatchError::AlreadyRegistered { pid }),
                    Tenure::Ephemeral if self.dispatch.hold(token) => return Ok(()),
                    // Its last callback has run since, or another call has made it
                    // last: look again.
                    Tenure::Ephemeral => continue,
                },
                // The number is free, or another process's (C13).
                Err(Current { token, .. }) => (self.dispatch.reserve(pid), Some(token)),
            };
            self.arm(pid, token)?;
            match self.dispatch.commit(pid, token, former) {
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
            let (token, former) = match self.dispatch.reserve_unless_current(pid) {
                Ok(token) => (token, None),
                Err(Current { token, .. }) if !self.source.is_reaped(token) => {
                    match self.dispatch.join(token, callback) {
                        Ok(entered) => return self.rouse(entered),
                        Err(refused) => callback = refused,
                    }
                    continue;
                }
                Err(Current { token, .. }) => (self.dispatch.reserve(pid), Some(token)),
            };
            match (self.arm(pid, token), former) {
                (Ok(()), _) => {}
                // The number is nobody's now: the registration's own process is
                // the only one that can be meant, and its callbacks come late (C5).
                (Err(WatchError::NoSuchProcess { .. }), Some(former)) => {
                    match self.dispatch.join(former, callback) {
                        Ok(entered) => return self.rouse(entered),
                        Err(refused) => callback = refused,
                    }
                    continue;
                }
                (Err(error), _) => return Err(error),
            }
            match self.dispatch.commit_watch(pid, token, former, callback) {
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

    /// Arms a reserved token, or gives it back.
    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        self.source
            .arm(pid, token)
            .inspect_err(|_| self.dispatch.release(token))
    }

    /// Gives back what the source holds for a registration that nobody holds.
    fn retire(&self, token: Option<Token>) {
        if let Some(token) = token {
            self.source.disarm(token);
            self.dispatch.release(token);
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

    fn is_own_thread(&self) -> bool {
        self.thread.get() == Some(&thread::current().id())
    }

    /// The watcher's thread.
    fn run(&self, mut waiter: S::Waiter) {
        self.thread.get_or_init(|| thread::current().id());
        self.source.start(&mut waiter);
        let mut reports = Vec::new();
        let mut pauses = Pauses::new();
        loop {
            match self.source.wait(&mut waiter, &mut reports) {
                Ok(()) => pauses = Pauses::new(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.dispatch.pause(pauses.next_pause()),
            }
            loop {
                let next = self
                    .dispatch
                    .run_round(&mut reports, |token| self.source.disarm(token));
                match next {
                    Next::Stop => return,
                    Next::AskSource => break,
                    Next::AskSourceAndReturn if self.source.wake().is_ok() => break,
                    Next::AskSourceAndReturn => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod failing;
