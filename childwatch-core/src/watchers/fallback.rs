//! [`FallbackWatcher`]: one watcher over two sources.
//!
//! `FallbackWatcher` composes sources and not watchers. Two watchers would have two threads that run
//! callbacks, and therefore two orders. A callback of the one could unregister a running callback
//! of the other and wait for it. So there is one engine. The watcher's thread waits in the
//! primary. The secondary waits on a thread of its own, which hands its reports over and wakes the
//! watcher's thread. A process belongs to the source that has armed its token.

use std::any::Any;
use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, PoisonError};

use crate::contract::delegate::delegate_pid_watcher;
use crate::contract::error::WatchError;
use crate::contract::pid::Pid;
use crate::contract::stats::WatcherStats;
use crate::engine::backoff::Backoff;
use crate::engine::driven::DrivenWatcher;
use crate::engine::driver::Driver;
use crate::engine::quiet_thread::{self, NAME_BYTES, QuietThread};
use crate::engine::shared::wake_for_the_end;
use crate::engine::threaded::ThreadedWatcher;
use crate::platform::sync::atomic::{AtomicBool, Ordering};
use crate::platform::sync::thread;
use crate::platform::sync::{Mutex, MutexGuard};
use crate::source::exit_source::ExitSource;
use crate::source::pollable::PollableSource;
use crate::source::report::Report;
use crate::source::token::Token;

/// A [`PidWatcher`](crate::PidWatcher) over two sources. The primary watches as many processes as
/// it can, and the secondary watches the rest.
///
/// It is one watcher, with one thread for callbacks, one order and one set of handles. The
/// contract holds as if there were one source. The primary is tried first for each process. So
/// when a shortage of file descriptors is over, the next process goes to the primary again. A
/// process that the primary watches costs next to nothing more than without the secondary.
/// If the secondary sees an exit, its thread hands the report over to the watcher's thread.
///
/// A process goes to the secondary if the primary returns
/// [`ResourceLimit`](WatchError::ResourceLimit) or
/// [`Unsupported`](WatchError::Unsupported). If the secondary then returns
/// [`NotAChild`](WatchError::NotAChild), the caller gets the primary's error. A process that is
/// registered by its pidfd is the primary's, or is refused.
///
/// The documentation of `AutoWatcher` in `childwatch-pidfd` has an example. The example `deployment`
/// of that crate chooses between the two backends and this, by a flag or by what their probes say.
pub struct FallbackWatcher<P: ExitSource, S: ExitSource>(ThreadedWatcher<FallbackSource<P, S>>);

impl<P: ExitSource, S: ExitSource> FallbackWatcher<P, S> {
    /// Starts a watcher over `primary` and `secondary`, each a source with its waiter.
    ///
    /// # Errors
    ///
    /// Each error drops both sources.
    ///
    /// - [`ResourceLimit`](WatchError::ResourceLimit) if a limit or the memory does not allow two
    ///   more threads.
    /// - [`Unsupported`](WatchError::Unsupported) if a sandbox forbids threads or signal masks,
    ///   or the process has unshared its pid namespace. The same if one source reports exits and
    ///   the other reapings (C21).
    /// - [`Os`](WatchError::Os) with any other answer of the kernel.
    pub fn new(
        (primary, waiter): (P, P::Waiter),
        secondary: (S, S::Waiter),
    ) -> Result<Self, WatchError> {
        let source = FallbackSource::new(primary, secondary)?;
        ThreadedWatcher::start(source, waiter).map(FallbackWatcher)
    }

    /// Makes a watcher over `primary` and `secondary` without a thread, and its driver.
    ///
    /// # Errors
    ///
    /// [`ResourceLimit`](WatchError::ResourceLimit),
    /// [`Unsupported`](WatchError::Unsupported) or [`Os`](WatchError::Os) if there is no epoll
    /// instance over the two sources. [`Unsupported`](WatchError::Unsupported) too if one source reports
    /// exits and the other reapings (C21). Each error drops both.
    pub fn driven(
        primary: (P, P::Waiter),
        secondary: (S, S::Waiter),
    ) -> Result<Halves<P, S>, WatchError>
    where
        P: PollableSource,
        S: PollableSource,
    {
        let (source, waiter) = PollableFallbackSource::new(primary, secondary)?;
        Ok(DrivenWatcher::new(source, waiter))
    }

    /// As [`DrivenWatcher::with_resource_usage`], for both sources.
    #[must_use]
    pub fn with_resource_usage(self) -> Self {
        FallbackWatcher(self.0.with_resource_usage())
    }

    /// Returns how many processes the secondary watches now.
    pub fn watched_by_secondary(&self) -> usize {
        self.0.source().spilled.len()
    }
}

type Halves<P, S> = (DrivenFallback<P, S>, FallbackDriver<P, S>);

/// The watcher that [`FallbackWatcher::driven`] returns.
pub type DrivenFallback<P, S> = DrivenWatcher<PollableFallbackSource<P, S>>;

/// The driver that [`FallbackWatcher::driven`] returns.
pub type FallbackDriver<P, S> = Driver<PollableFallbackSource<P, S>>;

delegate_pid_watcher!(impl[P: ExitSource, S: ExitSource] for FallbackWatcher<P, S>, |this| this.0);

impl<P: ExitSource, S: ExitSource> fmt::Debug for FallbackWatcher<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FallbackSource { primary, link, .. } = self.0.source();
        f.debug_struct("FallbackWatcher")
            .field("primary", &primary)
            .field("secondary", &link.secondary)
            .field("watched_by_secondary", &self.watched_by_secondary())
            .finish()
    }
}

/// The watcher's thread waits in the primary. The secondary has a thread of its own,
/// which only hands its reports over.
struct FallbackSource<P: ExitSource, S: ExitSource> {
    primary: Arc<P>,
    link: Arc<Link<S>>,
    spilled: Spilled,
    /// `None` once `drop` has begun.
    thread: Option<QuietThread>,
}

/// Between the secondary's thread and the watcher's.
struct Link<S> {
    secondary: S,
    handed_over: Mutex<Vec<Report>>,
    is_stopping: AtomicBool,
    /// The payload, if the secondary has panicked. Its thread has then ended.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl<P: ExitSource, S: ExitSource> FallbackSource<P, S> {
    fn new(primary: P, (secondary, waiter): (S, S::Waiter)) -> Result<Self, WatchError> {
        check_alike(&primary, &secondary)?;
        let primary = Arc::new(primary);
        let link = Arc::new(Link {
            secondary,
            handed_over: Mutex::default(),
            is_stopping: AtomicBool::new(false),
            panic: Mutex::new(None),
        });
        const {
            assert!(
                S::THREAD_NAME.len() <= NAME_BYTES,
                "Linux shows 15 bytes of a thread's name"
            );
        }
        let thread = quiet_thread::spawn(S::THREAD_NAME, "the secondary's thread", {
            let (primary, link) = (Arc::clone(&primary), Arc::clone(&link));
            move |_creators| link.run_to_its_end(&*primary, waiter)
        })?;
        Ok(FallbackSource {
            primary,
            link,
            spilled: Spilled::default(),
            thread: Some(thread),
        })
    }
}

impl<P: ExitSource, S: ExitSource> ExitSource for FallbackSource<P, S> {
    type Waiter = P::Waiter;

    const THREAD_NAME: &'static str = P::THREAD_NAME;

    fn start(&self, waiter: &mut P::Waiter) {
        self.primary.start(waiter);
    }

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        let Link { secondary, .. } = &*self.link;
        self.spilled.arm(&*self.primary, secondary, pid, token)
    }

    fn pid_of(&self, pidfd: BorrowedFd<'_>) -> Result<Pid, WatchError> {
        self.primary.pid_of(pidfd)
    }

    fn arm_pidfd(&self, pid: Pid, pidfd: BorrowedFd<'_>, token: Token) -> Result<(), WatchError> {
        self.primary.arm_pidfd(pid, pidfd, token)
    }

    fn pidfd(&self, pid: Pid, token: Token) -> Result<OwnedFd, WatchError> {
        let Link { secondary, .. } = &*self.link;
        self.spilled.pidfd(&*self.primary, secondary, pid, token)
    }

    fn send_signal(&self, pid: Pid, token: Token, signal: i32) -> Result<(), WatchError> {
        let Link { secondary, .. } = &*self.link;
        self.spilled
            .send_signal(&*self.primary, secondary, pid, token, signal)
    }

    fn disarm(&self, token: Token) {
        let Link { secondary, .. } = &*self.link;
        self.spilled.disarm(&*self.primary, secondary, token);
    }

    fn is_reaped(&self, token: Token) -> bool {
        let Link { secondary, .. } = &*self.link;
        self.spilled.is_reaped(&*self.primary, secondary, token)
    }

    fn look(&self, token: Token) -> Option<Report> {
        let Link { secondary, .. } = &*self.link;
        self.spilled.look(&*self.primary, secondary, token)
    }

    fn ask_for_resource_usage(&self) {
        self.primary.ask_for_resource_usage();
        self.link.secondary.ask_for_resource_usage();
    }

    fn awaits_reaping(&self) -> bool {
        self.primary.awaits_reaping()
    }

    fn add_stats(&self, stats: &mut WatcherStats) {
        let Link { secondary, .. } = &*self.link;
        self.spilled.add_stats(&*self.primary, secondary, stats);
    }

    fn wait(&self, waiter: &mut P::Waiter, reports: &mut Vec<Report>) -> io::Result<()> {
        let waited = self.primary.wait(waiter, reports);
        // The reports of the secondary are taken even if the primary has failed.
        reports.append(&mut *self.link.handed_over());
        // A panic of either source ends the watcher (S9).
        let panic = self.link.panic().take();
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
        waited
    }

    fn wake(&self) -> io::Result<()> {
        self.primary.wake()
    }
}

impl<P: ExitSource, S: ExitSource> Drop for FallbackSource<P, S> {
    fn drop(&mut self) {
        self.link.is_stopping.store(true, Ordering::SeqCst);
        let woken = wake_for_the_end(&self.link.secondary);
        if let (Some(thread), Ok(())) = (self.thread.take(), woken) {
            thread.unpark();
            thread.join();
        }
    }
}

impl<P: ExitSource, S: ExitSource> fmt::Debug for FallbackSource<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackSource")
            .field("primary", &self.primary)
            .field("secondary", &self.link.secondary)
            .finish_non_exhaustive()
    }
}

impl<S: ExitSource> Link<S> {
    /// The secondary's thread.
    fn run_to_its_end<P: ExitSource>(&self, primary: &P, waiter: S::Waiter) {
        let run = AssertUnwindSafe(|| self.run(primary, waiter));
        if let Err(payload) = catch_unwind(run) {
            *self.panic() = Some(payload);
            self.wake_until_it_works(primary);
        }
    }

    fn run<P: ExitSource>(&self, primary: &P, mut waiter: S::Waiter) {
        self.secondary.start(&mut waiter);
        let mut reports = Vec::new();
        let mut pauses = Backoff::new();
        while !self.is_stopping() {
            let waited = self.secondary.wait(&mut waiter, &mut reports);
            // A wait that fails may have found exits before.
            if !reports.is_empty() {
                self.handed_over().append(&mut reports);
                self.wake_until_it_works(primary);
            }
            if let Some(pause) = pauses.after(&waited) {
                thread::park_timeout(pause);
            }
        }
    }

    /// Wakes the watcher's thread. If it were not woken for a report, the exit would be lost.
    fn wake_until_it_works<P: ExitSource>(&self, primary: &P) {
        let mut pauses = Backoff::new();
        while primary.wake().is_err() && !self.is_stopping() {
            thread::park_timeout(pauses.next_pause());
        }
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    fn panic(&self) -> MutexGuard<'_, Option<Box<dyn Any + Send>>> {
        self.panic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handed_over(&self) -> MutexGuard<'_, Vec<Report>> {
        self.handed_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

mod pollable;
mod spilled;

pub use pollable::PollableFallbackSource;
use spilled::{Spilled, check_alike};

#[cfg(test)]
mod tests;
