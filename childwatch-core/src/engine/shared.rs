//! [`Shared`]: the calls of a watcher, and what its two halves share.

use std::io;
use std::mem;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use crate::contract::callback::{ExitCallback, Unregistered, WatchHandle};
use crate::contract::error::WatchError;
use crate::contract::exit::Exit;
use crate::contract::pid::Pid;
use crate::contract::stats::WatcherStats;
use crate::engine::dispatch::{AddedCallback, Dispatch, Stopped};
use crate::engine::events;
use crate::engine::registry::{Contended, Current, Tally, Tenure};
use crate::engine::remains::{Disarms, Remains};
use crate::engine::user_code::{drop_all, drop_quietly};
use crate::source::exit_source::ExitSource;
use crate::source::report::Report;
use crate::source::token::Token;

/// The part that ends with the watcher. Only the watcher and its driver own it.
pub(super) struct Shared<S> {
    pub(super) remains: Arc<Remains>,
    pub(super) source: S,
}

/// How a caller names the process that it registers.
#[derive(Clone, Copy)]
pub(super) enum Named<'a> {
    ByPid(Pid),
    ByPidfd(BorrowedFd<'a>),
}

impl<S: ExitSource> Disarms for Shared<S> {
    fn disarm(&self, token: Token) {
        self.source.disarm(token);
    }
}

impl<S: ExitSource> Shared<S> {
    pub(super) fn dispatch(&self) -> &Dispatch {
        &self.remains.dispatch
    }

    /// Gives back what is left when a half has been dropped: first what the source holds, then
    /// the callbacks, because the `Drop` of a captured value may take any time.
    pub(super) fn finish(&self, Stopped { callbacks, armed }: Stopped) {
        self.dispatch().wait_until_disarmed();
        for token in armed {
            // A panic of the source goes no further: the drop goes on.
            drop_quietly(Retired {
                shared: self,
                token,
            });
        }
        // If the `Drop` of a captured value has forked, the half that is dropped notices the copy.
        let _ = drop_all(callbacks, &self.remains.origin);
    }

    pub(super) fn register(&self, process: Named<'_>) -> Result<Pid, WatchError> {
        loop {
            let pid = self.pid_of(process)?;
            let (token, former) = match self.dispatch().reserve_unless_current(pid)? {
                Ok(token) => (token, None),
                Err(Current { token, tenure }) if self.is_registered(process, token)? => {
                    match tenure {
                        Tenure::Held => return Err(WatchError::AlreadyRegistered { pid }),
                        Tenure::Ephemeral if self.dispatch().hold(token) => {
                            events::registered(pid, true);
                            return Ok(pid);
                        }
                        // In between, its last callback has run, or another call has made it
                        // `Held`. Look again.
                        Tenure::Ephemeral => continue,
                    }
                }
                // The pid is free, or belongs to another process (C13).
                Err(Current { token, .. }) => (self.dispatch().reserve(pid), Some(token)),
            };
            self.arm(process, pid, token)?;
            match self.dispatch().commit(pid, token, former) {
                Ok(retired) => {
                    self.retire(retired);
                    events::registered(pid, true);
                    return Ok(pid);
                }
                // Look again.
                Err(Contended) => self.retire(Some(token)),
            }
        }
    }

    pub(super) fn watch(
        &self,
        process: Named<'_>,
        mut callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        loop {
            let pid = self.pid_of(process)?;
            let (token, former) = match self.dispatch().reserve_unless_current(pid)? {
                Ok(token) => (token, None),
                Err(Current { token, .. }) if self.is_registered(process, token)? => {
                    match self.dispatch().join(token, callback) {
                        Ok(added) => return self.wake_if_needed(added),
                        Err(refused) => callback = refused,
                    }
                    continue;
                }
                Err(Current { token, .. }) => (self.dispatch().reserve(pid), Some(token)),
            };
            match (self.arm(process, pid, token), former) {
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
                    let registered = self.wake_if_needed(added);
                    if registered.is_ok() {
                        events::registered(pid, false);
                    }
                    return registered;
                }
                Err(refused) => {
                    self.retire(Some(token));
                    callback = refused;
                }
            }
        }
    }

    pub(super) fn try_wait(&self, pid: Pid) -> Result<Option<Exit>, WatchError> {
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
        if let Some(report) = self.source.look(token) {
            return Some(Some(exit_of_report(pid, report)));
        }
        // If the registration is still there, it was there during the look. Otherwise the
        // look may have found nothing because the token was disarmed.
        self.dispatch().exit_of(token)
    }

    /// Arms a process for one look.
    fn look_at_stranger(&self, pid: Pid, token: Token) -> Result<Option<Exit>, WatchError> {
        self.arm(Named::ByPid(pid), pid, token)?;
        let armed = Retired {
            shared: self,
            token,
        };
        let found = self.source.look(token);
        drop(armed);
        Ok(found.map(|report| exit_of_report(pid, report)))
    }

    /// Returns a duplicate of the pidfd of the registered process.
    pub(super) fn pidfd(&self, pid: Pid) -> Result<OwnedFd, WatchError> {
        self.ask_about(pid, |token| self.source.pidfd(pid, token))
    }

    /// Sends a signal to the registered process.
    pub(super) fn send_signal(&self, pid: Pid, signal: i32) -> Result<(), WatchError> {
        self.ask_about(pid, |token| self.source.send_signal(pid, token, signal))
    }

    /// Asks the source about the registered process of a pid.
    fn ask_about<T>(
        &self,
        pid: Pid,
        ask: impl Fn(Token) -> Result<T, WatchError>,
    ) -> Result<T, WatchError> {
        loop {
            let Some(Current { token, .. }) = self.dispatch().current(pid)? else {
                return Err(WatchError::NotRegistered { pid });
            };
            match ask(token) {
                // The registration has ended meanwhile: look again.
                Err(WatchError::NotRegistered { .. })
                    if self.dispatch().exit_of(token).is_none() => {}
                answer => return answer,
            }
        }
    }

    fn pid_of(&self, process: Named<'_>) -> Result<Pid, WatchError> {
        match process {
            Named::ByPid(pid) => Ok(pid),
            Named::ByPidfd(pidfd) => {
                // A source that has panicked is not called again.
                self.dispatch().check()?;
                self.source.pid_of(pidfd)
            }
        }
    }

    /// Returns `true` if this process is armed under `token`. Both have, or have
    /// had, the same pid.
    ///
    /// Two processes that have not been reaped have different pids. So the source is asked about
    /// the armed process first. If the process of a pidfd has a pid after that, it has had the pid
    /// during that question.
    fn is_registered(&self, process: Named<'_>, token: Token) -> Result<bool, WatchError> {
        let is_reaped = self.source.is_reaped(token);
        self.pid_of(process)?;
        Ok(!is_reaped)
    }

    /// Arms a reserved token. If the source refuses or panics, the token is released.
    fn arm(&self, process: Named<'_>, pid: Pid, token: Token) -> Result<(), WatchError> {
        let reserved = Reserved {
            dispatch: self.dispatch(),
            token,
        };
        match process {
            Named::ByPid(_) => self.source.arm(pid, token)?,
            Named::ByPidfd(pidfd) => self.source.arm_pidfd(pid, pidfd, token)?,
        }
        mem::forget(reserved);
        Ok(())
    }

    /// Disarms and releases the token of a retired registration.
    pub(super) fn retire(&self, token: Option<Token>) {
        if let Some(token) = token {
            drop(Retired {
                shared: self,
                token,
            });
        }
    }

    /// Wakes the watcher's thread if the new callback is due and the thread would not see it.
    /// If the kernel refuses to wake the thread, the callback is taken out again (C2).
    pub(super) fn wake_if_needed(
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
                operation: "waking the watcher",
                pid: Some(handle.pid()),
                source,
            }),
            Unregistered::HasRun | Unregistered::IsRunning | Unregistered::NotPending => Ok(handle),
        }
    }

    pub(super) fn unregister_callback(&self, handle: WatchHandle) -> Unregistered {
        let disarm = |token| self.source.disarm(token);
        self.remains.unregister_callback(handle, disarm)
    }

    pub(super) fn stats(&self) -> WatcherStats {
        let mut stats = WatcherStats::default();
        // A source that has panicked is not called again.
        if self.dispatch().check().is_ok() {
            self.source.add_stats(&mut stats);
        }
        let (tally, panicked) = self.dispatch().counts();
        let Tally {
            registrations,
            pending,
            begun,
        } = tally;
        stats.watched = registrations;
        stats.callbacks_pending = pending;
        stats.callbacks_run = begun;
        stats.callbacks_panicked = panicked;
        stats
    }
}

fn exit_of_report(pid: Pid, report: Report) -> Exit {
    Exit::new(pid, report.status).with_resource_usage(report.usage.map(|usage| *usage))
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

/// Wakes the thread that waits in the source. This is the last chance to wake it, so a refusal
/// is answered by a second try: the cause may be over.
pub(crate) fn wake_for_the_end(source: &impl ExitSource) -> io::Result<()> {
    source.wake().or_else(|_| source.wake())
}

#[cfg(not(childwatch_loom))]
#[cfg(test)]
mod tests;
