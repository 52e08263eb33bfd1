//! [`PollableSigchldSource`]: the source of a watcher without a thread.
//!
//! # Why no event is lost
//!
//! `collect` takes the events of the descriptor first, and then looks at everything: the hints,
//! the epoch, what other threads have found, and the clock. A handler or a
//! caller first leaves its news and then rings. So `collect` sees the news, or the event comes
//! after the events were taken, and stays. At the end `collect` sets the timer to the time at which the next sweep or
//! heartbeat is due. If one is due already, `collect` rings itself.

use std::fmt;
use std::io;
use std::mem;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use childwatch_core::source::{ExitSource, PollableSource, Report, Token};
use childwatch_core::{Pid, WatchError, WatcherStats};

use crate::listen::forwarder::Forwarder;
use crate::poller::Poller;
use crate::source::{SigchldSource, SigchldWaiter};

/// A [`SigchldSource`] with a descriptor that a program's loop polls: the [`PollableSource`]
/// behind [`SigchldWatcher::driven`](crate::SigchldWatcher::driven), for a
/// [`FallbackWatcher`](childwatch_core::FallbackWatcher).
///
/// It has three descriptors: an epoll instance, an eventfd and a timerfd. It changes no signal
/// mask.
pub struct PollableSigchldSource {
    source: SigchldSource,
    /// `None` once `drop` has begun.
    poller: Option<Poller>,
}

/// The half of a [`PollableSigchldSource`] that only the driver uses.
#[derive(Debug)]
pub struct PollableSigchldWaiter {
    waiter: SigchldWaiter,
    /// The time to which the timer is set.
    due: Option<Duration>,
}

impl SigchldSource {
    /// Creates a pollable source that watches nothing yet. It installs the handler of `SIGCHLD`
    /// when it arms its first child. The handler stays.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and:
    ///
    /// - [`ResourceLimit`](WatchError::ResourceLimit) if there are no file descriptors or memory.
    /// - [`Unsupported`](WatchError::Unsupported) if a sandbox forbids epoll, eventfd or timerfd.
    /// - [`Os`](WatchError::Os) with any other answer of the kernel.
    pub fn pollable() -> Result<(PollableSigchldSource, PollableSigchldWaiter), WatchError> {
        PollableSigchldSource::over(SigchldSource::new()?)
    }

    /// As [`pollable`](Self::pollable), but installs no handler: the program passes `SIGCHLD` on
    /// through the [`Forwarder`].
    ///
    /// # Errors
    ///
    /// As [`pollable`](Self::pollable).
    pub fn pollable_with_forwarder()
    -> Result<((PollableSigchldSource, PollableSigchldWaiter), Forwarder), WatchError> {
        let (source, forwarder) = SigchldSource::with_forwarder()?;
        Ok((PollableSigchldSource::over(source)?, forwarder))
    }

    /// As [`without_heartbeat_for_tests`](Self::without_heartbeat_for_tests), and pollable.
    ///
    /// # Errors
    ///
    /// As [`pollable`](Self::pollable).
    #[doc(hidden)]
    pub fn pollable_without_heartbeat_for_tests()
    -> Result<(PollableSigchldSource, PollableSigchldWaiter), WatchError> {
        PollableSigchldSource::over(SigchldSource::without_heartbeat_for_tests()?)
    }
}

impl PollableSigchldSource {
    pub(crate) fn over(
        (source, waiter): (SigchldSource, SigchldWaiter),
    ) -> Result<(Self, PollableSigchldWaiter), WatchError> {
        let poller = Poller::new()?;
        source.wire().connect(poller.ends());
        let source = PollableSigchldSource {
            source,
            poller: Some(poller),
        };
        let due = None;
        Ok((source, PollableSigchldWaiter { waiter, due }))
    }

    pub(crate) fn poller(&self) -> &Poller {
        self.poller.as_ref().expect("nobody calls after the drop")
    }
}

impl ExitSource for PollableSigchldSource {
    type Waiter = PollableSigchldWaiter;

    const THREAD_NAME: &'static str = SigchldSource::THREAD_NAME;

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        self.source.arm(pid, token)
    }

    fn disarm(&self, token: Token) {
        self.source.disarm(token);
    }

    fn is_reaped(&self, token: Token) -> bool {
        self.source.is_reaped(token)
    }

    fn send_signal(&self, pid: Pid, token: Token, signal: i32) -> Result<(), WatchError> {
        self.source.send_signal(pid, token, signal)
    }

    fn look(&self, token: Token) -> Option<Report> {
        self.source.look(token)
    }

    fn ask_for_resource_usage(&self) {
        self.source.ask_for_resource_usage();
    }

    fn add_stats(&self, stats: &mut WatcherStats) {
        self.source.add_stats(stats);
    }

    fn wait(
        &self,
        waiter: &mut PollableSigchldWaiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        self.poller().wait()?;
        self.collect(waiter, reports)
    }

    fn wake(&self) -> io::Result<()> {
        self.source.wake()
    }
}

impl PollableSource for PollableSigchldSource {
    fn descriptor<'a>(&'a self, _waiter: &'a PollableSigchldWaiter) -> BorrowedFd<'a> {
        self.poller().descriptor()
    }

    fn collect(
        &self,
        PollableSigchldWaiter { waiter, due }: &mut PollableSigchldWaiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        // The order is that of the argument above. What is there is reported even if a sandbox
        // refuses the events.
        let taken = self.poller().take_events();
        let (now, rest) = self.source.look_now(waiter, reports);
        if rest == Some(Duration::ZERO) {
            self.source.wake()?;
            return taken;
        }
        let next = rest.and_then(|rest| now.checked_add(rest));
        if next != *due {
            self.poller().set_timer(rest)?;
            *due = next;
        }
        taken
    }
}

impl Drop for PollableSigchldSource {
    fn drop(&mut self) {
        let poller = self.poller.take();
        if !self.source.wire().disconnect() {
            // A handler does not come back, and may use the numbers yet. They must not become
            // those of other files.
            mem::forget(poller);
        }
    }
}

impl fmt::Debug for PollableSigchldSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollableSigchldSource")
            .finish_non_exhaustive()
    }
}

// A model has no descriptors.
#[cfg(not(childwatch_loom))]
#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsRawFd;

    use super::*;

    /// As the thread that a debugger has stopped in the handler.
    #[test]
    fn descriptors_that_a_handler_may_use_yet_stay_open() {
        let ((source, _waiter), _forwarder) = SigchldSource::pollable_with_forwarder().unwrap();
        let number = source.poller().descriptor().as_raw_fd();
        source.source.wire().begin_notification();
        drop(source);
        // If it were closed, another test might get the number, but hardly for the same kind of file.
        let file = fs::read_link(format!("/proc/self/fd/{number}"));
        assert_eq!(file.unwrap().to_str(), Some("anon_inode:[eventpoll]"));
    }
}
