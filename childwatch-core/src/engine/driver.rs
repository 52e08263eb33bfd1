//! [`Driver`]: looks for exits and runs callbacks, on the thread that calls it.

use std::fmt;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::contract::error::WatchError;
use crate::engine::callback_mask::CallbackMask;
use crate::engine::dispatch::{Context, Next, Round};
use crate::engine::events;
use crate::engine::shared::{Shared, wake_for_the_end};
use crate::engine::signal_mask::SignalMask;
use crate::engine::user_code::{drop_all, drop_quietly};
use crate::platform::readable::await_readable;
use crate::source::exit_source::ExitSource;
use crate::source::pollable::PollableSource;
use crate::source::report::Report;

/// Runs the callbacks of a [`DrivenWatcher`](crate::DrivenWatcher), in the loop of the program
/// that owns it.
///
/// # The loop
///
/// The [descriptor](Self::as_fd) is readable as long as there is something for
/// [`drive`](Self::drive) to do. So a program registers the descriptor with its poller, and calls
/// `drive(Some(Duration::ZERO))` when it is readable. A program without a poller calls
/// `drive(None)` in a loop.
///
/// | poller | how to register |
/// |---|---|
/// | `poll`, `select`, epoll | the descriptor, for reading |
/// | mio | `SourceFd(&driver.as_raw_fd())`, readable |
/// | tokio | `AsyncFd::register_with_interest(driver, Interest::READABLE)`, which is `unsafe`: the descriptor must stay the same one, and it does (example `loop_tokio`) |
/// | polling, async-io, calloop | the descriptor, readable |
///
/// Both kinds of pollers work. For a level-triggered poller, the descriptor stays readable until
/// nothing is left to do. For an edge-triggered one, each `drive` that leaves something to do
/// makes a new edge. So one call for each event is enough, and an event is never lost.
///
/// A poller needs the descriptor open, so delete it there before the driver is dropped. It is the
/// same one for all of the driver's life.
///
/// The descriptor is that of the source, and may be any file that can be polled
/// ([`PollableSource::descriptor`]). The two backends of this project and
/// [`FallbackWatcher`](crate::FallbackWatcher) have an epoll instance, and epoll has rules for these.
/// The kernel refuses `EPOLLEXCLUSIVE` for it (`EINVAL`). It allows four instances above it, each in
/// the next, and three above that of a `FallbackWatcher` (`ELOOP`).
///
/// The descriptor may be readable once more than there are callbacks: a sweep or a heartbeat is
/// due, or a callback has been taken out since. `drive` then returns 0.
///
/// # What a driver must not do
///
/// - **Drive on two threads at once, or inside one of its own callbacks.** `drive` takes
///   `&mut self`, so the compiler refuses it. A driver may be sent to another thread between two
///   calls. A callback may drive *another* watcher.
/// - **Poll the descriptor inside one of its own callbacks**, as a loop inside the loop does, for
///   example while a dialog is open. The descriptor may be readable until the callback has
///   returned, so a level-triggered loop spins. *Way around:* take the descriptor out of
///   the poller for this time.
/// - **Drive in a forked copy of the process.** `drive` returns
///   [`Forked`](WatchError::Forked), and makes no system call. Do not poll the descriptor there:
///   it is the parent's.
/// - **Drive after the end.** `drive` returns [`Stopped`](WatchError::Stopped). The descriptor
///   stays readable until the driver is dropped, as that of a pipe does at its end.
/// - **Drive after the program has closed the descriptor.** `drive` returns
///   [`Os`](WatchError::Os), unless the number belongs to another file by then.
pub struct Driver<S: ExitSource> {
    /// `None` once `drop` has begun.
    parts: Option<Parts<S>>,
}

struct Parts<S: ExitSource> {
    shared: Arc<Shared<S>>,
    waiter: S::Waiter,
    reports: Vec<Report>,
    context: Context,
    is_started: bool,
    /// The last look has failed. It may have left something that the descriptor does not tell.
    has_failed: bool,
    /// The source has panicked. It is not called again.
    has_panicked: bool,
}

/// The result of one turn: a wait of the source, and the callbacks that were due then.
pub(super) struct Turn {
    pub(super) waited: io::Result<()>,
    pub(super) callbacks: usize,
    pub(super) ended: Option<Ended>,
}

/// Why a driver has nothing to do any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Stopped,
    /// This is a forked copy of the process, made in a callback.
    Forked,
}

impl<S: PollableSource> Driver<S> {
    /// Waits until there is something to do, at most for `timeout`, and does it: takes in the
    /// exits that have come, and runs the callbacks that are due, on the calling thread. Returns
    /// how many callbacks have run.
    ///
    /// `Some(Duration::ZERO)` does not wait, and `None` waits without a limit. The call may
    /// return early with 0, for example if a signal handler has run on this thread. The time in
    /// which callbacks run is not limited. One call runs 1,024 of them at most. If more are due, the
    /// descriptor is readable. (If the source cannot be woken, one call runs all that are due.)
    ///
    /// If a callback panics, the panic hook reports it, and the callback is counted (C11).
    ///
    /// # Errors
    ///
    /// - [`Stopped`](WatchError::Stopped) if the watcher has been dropped, or its source has
    ///   panicked. If callbacks have run in this call, their number is returned first, and the
    ///   next call returns the error.
    /// - [`Forked`](WatchError::Forked) in a forked copy of the process, also if the copy was
    ///   forked in a callback of this very call. The copy may go on. It runs no further callback.
    /// - [`Os`](WatchError::Os) if the kernel or a sandbox refuses to wait or to look. The
    ///   callbacks that are known to be due have run. The cause may pass, so the program tries
    ///   again after a pause. After a refused look, the next call does not wait, because the
    ///   descriptor may not tell what is left.
    pub fn drive(&mut self, timeout: Option<Duration>) -> Result<usize, WatchError> {
        let Some(parts) = &mut self.parts else {
            return Err(WatchError::Stopped);
        };
        parts.shared.remains.origin.check()?;
        if parts.has_panicked {
            return Err(WatchError::Stopped);
        }
        let waited = if timeout == Some(Duration::ZERO) || parts.has_failed {
            // The turn notices the end too.
            Ok(())
        } else {
            parts.shared.dispatch().check()?;
            parts.await_readable(timeout)
        };
        // Exits are there for a look also if no wait is permitted.
        let turn = parts.turn(S::collect);
        parts.has_failed = turn.waited.is_err();
        if turn.ended == Some(Ended::Forked) {
            return Err(WatchError::Forked);
        }
        if turn.ended == Some(Ended::Stopped) {
            parts.stay_readable();
            if turn.callbacks == 0 {
                return Err(WatchError::Stopped);
            }
        }
        waited?;
        match turn.waited {
            Err(source) if source.kind() != io::ErrorKind::Interrupted => {
                Err(refused("a look for exits", source))
            }
            Ok(()) | Err(_) => Ok(turn.callbacks),
        }
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        let parts = self.parts.as_ref();
        let Parts { shared, waiter, .. } = parts.expect("nobody calls after the drop");
        shared.source.descriptor(waiter)
    }
}

/// The descriptor that is readable while there is something to do. It is the driver's: poll it,
/// and do nothing else with it.
impl<S: PollableSource> AsFd for Driver<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor()
    }
}

/// The number of the [descriptor](Self::as_fd), for pollers that take numbers.
impl<S: PollableSource> AsRawFd for Driver<S> {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor().as_raw_fd()
    }
}

// No panic of a callback or of the source leaves `drive`.
impl<S: ExitSource> UnwindSafe for Driver<S> {}
impl<S: ExitSource> RefUnwindSafe for Driver<S> {}

impl<S: ExitSource> Driver<S> {
    pub(super) fn new(shared: Arc<Shared<S>>, waiter: S::Waiter) -> Self {
        let context = Context {
            origin: shared.remains.origin,
            callback_mask: None,
        };
        Driver {
            parts: Some(Parts {
                shared,
                waiter,
                reports: Vec::new(),
                context,
                is_started: false,
                has_failed: false,
                has_panicked: false,
            }),
        }
    }

    /// From now on callbacks run with the mask of the creator, as [`CallbackMask`] says. Between
    /// callbacks the driving thread has its own.
    pub(super) fn run_callbacks_with(&mut self, creator_mask: SignalMask) {
        if let Some(parts) = &mut self.parts {
            parts.context.callback_mask = Some(CallbackMask::of_creator(creator_mask));
        }
    }

    /// Waits in the source without a limit, and runs what is due then.
    pub(super) fn turn(&mut self) -> Turn {
        match &mut self.parts {
            Some(parts) => parts.turn(S::wait),
            None => Turn::ended(Ended::Stopped),
        }
    }

    /// Blocks for `time`, or until a callback is due or the watcher stops, and runs what is due
    /// then.
    pub(super) fn pause(&mut self, time: Duration) -> Turn {
        match &mut self.parts {
            Some(parts) => {
                parts.shared.dispatch().pause(time);
                parts.turn(|_, _, _| Ok(()))
            }
            None => Turn::ended(Ended::Stopped),
        }
    }
}

impl<S: ExitSource> Drop for Driver<S> {
    fn drop(&mut self) {
        let Some(parts) = self.parts.take() else {
            return;
        };
        let remains = Arc::clone(&parts.shared.remains);
        if remains.origin.check_twice().is_err() {
            // Everything here belongs to the parent (C15).
            mem::forget(parts);
            return;
        }
        let Parts {
            shared,
            waiter,
            reports,
            ..
        } = parts;
        let ends_here = remains.dispatch.check().is_ok();
        if ends_here {
            shared.finish(remains.dispatch.stop_and_disarm());
        }
        if remains.origin.check().is_err() {
            // The `Drop` of a captured value has forked, and this is the copy.
            mem::forget((shared, waiter));
            return;
        }
        drop(reports);
        drop_quietly(waiter);
        drop_quietly(shared);
        if ends_here {
            events::watcher_dropped();
        }
    }
}

impl<S: ExitSource> fmt::Debug for Driver<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.parts.as_ref().map(|parts| &parts.shared.source);
        f.debug_struct("Driver")
            .field("source", &source)
            .finish_non_exhaustive()
    }
}

impl<S: ExitSource> Parts<S> {
    /// One wait, and the callbacks that are due after it. If the source panics, the watcher ends
    /// (S9). Panics of callbacks are caught where they run.
    fn turn(
        &mut self,
        wait: impl FnOnce(&S, &mut S::Waiter, &mut Vec<Report>) -> io::Result<()>,
    ) -> Turn {
        let turn = catch_unwind(AssertUnwindSafe(|| {
            if !self.is_started {
                self.is_started = true;
                self.shared.source.start(&mut self.waiter);
            }
            let waited = wait(&self.shared.source, &mut self.waiter, &mut self.reports);
            // A wait that fails may have found exits before.
            self.run_what_is_due(waited)
        }));
        turn.unwrap_or_else(|payload| {
            self.has_panicked = true;
            drop_quietly(payload);
            let callbacks = self.shared.dispatch().fail();
            match drop_all(callbacks, &self.shared.remains.origin) {
                Ok(()) => {
                    events::source_panicked();
                    Turn::ended(Ended::Stopped)
                }
                // The `Drop` of a captured value has forked, and this is the copy.
                Err(_) => Turn::ended(Ended::Forked),
            }
        })
    }

    /// Takes in the reports and runs the callbacks that are due. The turn has not ended the
    /// watcher if the source is asked next.
    fn run_what_is_due(&mut self, waited: io::Result<()>) -> Turn {
        let Shared { source, .. } = &*self.shared;
        let mut callbacks = 0;
        let ended = loop {
            let disarm = |token| source.disarm(token);
            let dispatch = self.shared.dispatch();
            let round = dispatch.run_round(&mut self.context, &mut self.reports, disarm);
            let Round { next, .. } = round;
            callbacks += round.callbacks;
            match next {
                Next::Stop => break Some(Ended::Stopped),
                Next::Forked => break Some(Ended::Forked),
                Next::AskSource => break None,
                Next::AskSourceAndReturn if source.wake().is_ok() => break None,
                Next::AskSourceAndReturn => {}
            }
        };
        Turn {
            waited,
            callbacks,
            ended,
        }
    }
}

impl<S: PollableSource> Parts<S> {
    fn await_readable(&self, timeout: Option<Duration>) -> Result<(), WatchError> {
        let descriptor = self.shared.source.descriptor(&self.waiter);
        match await_readable(descriptor, timeout) {
            Err(source) if source.kind() != io::ErrorKind::Interrupted => {
                Err(refused("poll and select", source))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The wake that has ended the wait is used up. The program learns of the end by the
    /// descriptor too.
    fn stay_readable(&self) {
        if !self.has_panicked {
            let _ = wake_for_the_end(&self.shared.source);
        }
    }
}

impl Turn {
    fn ended(ended: Ended) -> Self {
        Turn {
            waited: Ok(()),
            callbacks: 0,
            ended: Some(ended),
        }
    }
}

fn refused(operation: &'static str, source: io::Error) -> WatchError {
    let pid = None;
    WatchError::Os {
        operation,
        pid,
        source,
    }
}

#[cfg(test)]
mod tests;
