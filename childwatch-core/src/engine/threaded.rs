//! [`ThreadedWatcher`]: the engine with a thread of its own, which drives.

use std::fmt;
use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::contract::delegate::delegate_pid_watcher;
use crate::contract::error::WatchError;
use crate::engine::backoff::Backoff;
use crate::engine::driven::DrivenWatcher;
use crate::engine::driver::Driver;
use crate::engine::events;
use crate::engine::quiet_thread::{self, NAME_BYTES, QuietThread};
use crate::engine::shared::wake_for_the_end;
use crate::engine::user_code::drop_all;
use crate::source::exit_source::ExitSource;

/// A [`PidWatcher`](crate::PidWatcher) over any [`ExitSource`]: a
/// [`DrivenWatcher`](crate::DrivenWatcher) with a thread that drives it.
///
/// A signal handler of the program runs on the thread only during a callback. Dropping the
/// watcher ends the thread, as clause C12 says.
pub struct ThreadedWatcher<S: ExitSource> {
    watcher: DrivenWatcher<S>,
    /// `None` once `drop` has begun.
    thread: Option<QuietThread>,
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
        let (watcher, mut driver) = DrivenWatcher::with_driver(source, waiter);
        let thread = quiet_thread::spawn(S::THREAD_NAME, "the watcher's thread", |creator_mask| {
            driver.run_callbacks_with(creator_mask);
            run(driver);
        })?;
        Ok(ThreadedWatcher {
            watcher,
            thread: Some(thread),
        })
    }

    /// As [`DrivenWatcher::with_resource_usage`].
    #[must_use]
    pub fn with_resource_usage(self) -> Self {
        self.source().ask_for_resource_usage();
        self
    }

    /// The watcher's source.
    pub fn source(&self) -> &S {
        self.watcher.source()
    }
}

// As a `DrivenWatcher`.
impl<S: ExitSource> UnwindSafe for ThreadedWatcher<S> {}
impl<S: ExitSource> RefUnwindSafe for ThreadedWatcher<S> {}

delegate_pid_watcher!(impl[S: ExitSource] for ThreadedWatcher<S>, |this| this.watcher);

/// The watcher's thread. In a forked copy that returns from a callback, it ends too.
fn run<S: ExitSource>(mut driver: Driver<S>) {
    let mut pauses = Backoff::new();
    loop {
        let turn = driver.turn();
        if turn.ended.is_some() {
            return;
        }
        if let Some(pause) = pauses.after(&turn.waited) {
            if driver.pause(pause).ended.is_some() {
                return;
            }
        }
    }
}

impl<S: ExitSource> Drop for ThreadedWatcher<S> {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        let shared = &self.watcher.shared;
        let dispatch = shared.dispatch();
        if shared.remains.origin.check_twice().is_err() {
            // A forked copy does not have the thread.
            mem::forget(thread);
            return;
        }
        // If a panic of the source has ended the thread, there is nothing to wake. A source
        // that has panicked is not called again.
        let has_ended = dispatch.check().is_err();
        let callbacks = dispatch.stop();
        let woken = if has_ended {
            Ok(())
        } else {
            wake_for_the_end(&shared.source)
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
        // If the `Drop` of a captured value has forked, the drop of `watcher` notices the copy.
        let dropped = drop_all(callbacks, &shared.remains.origin);
        if dropped.is_ok() && !has_ended {
            events::watcher_dropped();
        }
    }
}

impl<S: ExitSource> fmt::Debug for ThreadedWatcher<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadedWatcher")
            .field("source", self.source())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod failing;

#[cfg(test)]
mod panicking;
