//! [`DrivenWatcher`]: the engine without a thread. Its [`Driver`] runs the callbacks.

use std::fmt;
use std::mem;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Weak};

use crate::contract::callback::{ExitCallback, Unregistered, WatchHandle};
use crate::contract::canceller::Canceller;
use crate::contract::error::WatchError;
use crate::contract::exit::Exit;
use crate::contract::pid::Pid;
use crate::contract::stats::WatcherStats;
use crate::contract::watcher::PidWatcher;
use crate::engine::dispatch::Dispatch;
use crate::engine::driver::Driver;
use crate::engine::events;
use crate::engine::origin::Origin;
use crate::engine::remains::{EngineCanceller, Remains};
use crate::engine::shared::{Named, Shared, wake_for_the_end};
use crate::source::exit_source::ExitSource;
use crate::source::pollable::PollableSource;

/// A [`PidWatcher`] without a thread, over any [`PollableSource`]. It implements all semantics
/// of callbacks.
///
/// A watcher and its [`Driver`] are made together, and are two halves of one thing. The program
/// registers processes and callbacks with the watcher, from any thread. It calls
/// [`Driver::drive`] in its loop, and the callbacks run there. Between two
/// calls of `drive` no callback runs, and no exit is lost.
///
/// # What the missing thread changes
///
/// - **C4 where.** Callbacks run on the thread that calls `drive`, with the signal mask that
///   this thread has. Neither half changes a mask.
/// - **C9 `unregister_callback`.** It waits only for a callback that is running in `drive` on
///   another thread. Between two calls of `drive`, a callback that is due is taken out at once:
///   [`WillNotRun`](Unregistered::WillNotRun). A call on the driving thread, from inside the
///   callback itself, returns [`IsRunning`](Unregistered::IsRunning).
/// - **C12 drop.** The watcher ends when the first of the two halves is dropped. No callback
///   begins to run from then on. Those that have not run are dropped, with their captures, by
///   this drop. It also gives back what the watched processes hold, such as pidfds. The few
///   descriptors of the watcher itself are closed when the second half is dropped.
///   - If the watcher is dropped first, the drop waits for a callback that is running in `drive`
///     on another thread. The descriptor of the driver then stays readable, and `drive` returns
///     [`Stopped`](WatchError::Stopped), so that the loop learns of the end.
///   - If the driver is dropped first, each call of the watcher that needs it returns
///     [`Stopped`](WatchError::Stopped). Futures resolve to `None`.
/// - **A wait for an exit** ([`Exited`](crate::Exited) or
///   [`wait_timeout`](crate::PidWatcherExt::wait_timeout)) needs another thread that drives. On
///   the driving thread itself the wait does not end before its timeout.
///
/// # Examples
///
/// ```
/// use std::os::unix::process::ExitStatusExt;
/// use std::process::ExitStatus;
/// use std::sync::mpsc;
/// use childwatch_core::{PidWatcherExt, SimulatedProcesses, SimulatedWatcher};
///
/// let processes = SimulatedProcesses::new();
/// let (watcher, mut driver) = SimulatedWatcher::driven(&processes)?;
/// let pid = processes.spawn();
/// let (sender, receiver) = mpsc::channel();
/// watcher.on_exit(pid, move |exit| sender.send(exit).unwrap())?;
///
/// processes.exit(pid, ExitStatus::from_raw(3 << 8));
/// assert!(receiver.try_recv().is_err(), "nobody drives");
/// assert_eq!(driver.drive(None)?, 1);
/// assert_eq!(receiver.recv()?.status().unwrap().code(), Some(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DrivenWatcher<S: ExitSource> {
    pub(super) shared: Arc<Shared<S>>,
    /// Every future of the watcher has a clone of it.
    canceller: Canceller,
}

impl<S: PollableSource> DrivenWatcher<S> {
    /// Makes a watcher and its driver.
    pub fn new(source: S, waiter: S::Waiter) -> (Self, Driver<S>) {
        DrivenWatcher::with_driver(source, waiter)
    }
}

impl<S: ExitSource> DrivenWatcher<S> {
    /// As [`new`](Self::new). If the source is not pollable, only the library can use the driver.
    pub(super) fn with_driver(source: S, waiter: S::Waiter) -> (Self, Driver<S>) {
        let shared = Arc::new(Shared {
            remains: Arc::new(Remains {
                origin: Origin::here(),
                dispatch: Dispatch::new(),
            }),
            source,
        });
        let source: Weak<Shared<S>> = Arc::downgrade(&shared);
        let canceller = Canceller::new(Arc::new(EngineCanceller {
            remains: Arc::clone(&shared.remains),
            source,
        }));
        let driver = Driver::new(Arc::clone(&shared), waiter);
        (DrivenWatcher { shared, canceller }, driver)
    }

    /// Lets the watcher return the resource usage of each child in [`Exit::resource_usage`], if
    /// its source knows it. It is for a watcher that has just been made: exits that are known
    /// already have none.
    #[must_use]
    pub fn with_resource_usage(self) -> Self {
        self.source().ask_for_resource_usage();
        self
    }

    /// The watcher's source.
    pub fn source(&self) -> &S {
        &self.shared.source
    }
}

// A panic of a callback or of a captured value leaves the registry whole (C11). A panic of the
// source on the driving thread ends the watcher (S9). On a caller's thread the source panics
// without the lock of the engine, and the token is given back.
impl<S: ExitSource> UnwindSafe for DrivenWatcher<S> {}
impl<S: ExitSource> RefUnwindSafe for DrivenWatcher<S> {}

impl<S: ExitSource> PidWatcher for DrivenWatcher<S> {
    fn register_pid(&self, pid: Pid) -> Result<(), WatchError> {
        self.shared.remains.origin.check()?;
        let registered = self.shared.register(Named::ByPid(pid)).map(drop);
        events::registration_answered(Some(pid), &registered);
        registered
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
        let registered = self.shared.watch(Named::ByPid(pid), callback);
        events::registration_answered(Some(pid), &registered);
        registered
    }

    fn try_wait(&self, pid: Pid) -> Result<Option<Exit>, WatchError> {
        self.shared.remains.origin.check()?;
        self.shared.try_wait(pid)
    }

    fn register_pidfd(&self, pidfd: BorrowedFd<'_>) -> Result<Pid, WatchError> {
        self.shared.remains.origin.check()?;
        let registered = self.shared.register(Named::ByPidfd(pidfd));
        events::registration_answered(None, &registered);
        registered
    }

    fn watch_pidfd(
        &self,
        pidfd: BorrowedFd<'_>,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        self.shared.remains.origin.check()?;
        let registered = self.shared.watch(Named::ByPidfd(pidfd), callback);
        events::registration_answered(None, &registered);
        registered
    }

    fn pidfd(&self, pid: Pid) -> Result<OwnedFd, WatchError> {
        self.shared.remains.origin.check()?;
        self.shared.pidfd(pid)
    }

    fn send_signal(&self, pid: Pid, signal: i32) -> Result<(), WatchError> {
        self.shared.remains.origin.check()?;
        self.shared.send_signal(pid, signal)
    }

    fn stats(&self) -> Option<WatcherStats> {
        self.shared.remains.origin.check().ok()?;
        Some(self.shared.stats())
    }

    fn canceller(&self) -> Option<Canceller> {
        Some(self.canceller.clone())
    }
}

impl<S: ExitSource> Drop for DrivenWatcher<S> {
    fn drop(&mut self) {
        let Remains {
            origin, dispatch, ..
        } = &*self.shared.remains;
        if origin.check_twice().is_err() {
            // Another thread may have held a lock at the fork, and what the source holds is the
            // parent's. So everything stays as it is.
            mem::forget(Arc::clone(&self.shared));
            return;
        }
        let ends_here = dispatch.check().is_ok();
        if ends_here {
            let stopped = dispatch.stop_and_disarm();
            // If the kernel refuses, the driver learns of the end when it drives next.
            let _ = wake_for_the_end(&self.shared.source);
            if !dispatch.is_in_round_here() {
                dispatch.wait_until_idle();
            }
            self.shared.finish(stopped);
        }
        if origin.check().is_err() {
            // The `Drop` of a captured value has forked, and this is the copy.
            mem::forget(Arc::clone(&self.shared));
        } else if ends_here {
            events::watcher_dropped();
        }
    }
}

impl<S: ExitSource> fmt::Debug for DrivenWatcher<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrivenWatcher")
            .field("source", &self.shared.source)
            .finish_non_exhaustive()
    }
}
