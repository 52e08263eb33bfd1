//! [`PollableSource`]: what a source implements so that a program's loop can drive it.

use std::io;
use std::os::fd::BorrowedFd;

use crate::source::exit_source::ExitSource;
use crate::source::report::Report;

/// An [`ExitSource`] with a descriptor that tells when there is something to do. A
/// [`DrivenWatcher`](crate::DrivenWatcher) works over it.
///
/// # Laws
///
/// They go on where those of [`ExitSource`] end.
///
/// - **S10 readable.** The descriptor is readable whenever [`collect`](Self::collect) has
///   something to do: an exit can be reported, [`wake`](ExitSource::wake) was called since the
///   last `collect`, or the time for something has come, such as a heartbeat. It is readable until
///   a `collect` that does the last of it, and not readable otherwise. It may be readable once
///   more than there is something to report.
/// - **S11 edges.** If a `collect` leaves something to do, the descriptor gets a new edge at the
///   end of it or later. So a program may use an edge-triggered poller.
/// - **S12 no wait.** `collect` does not block, and does not do more than some milliseconds of
///   work. It runs in the place of [`wait`](ExitSource::wait), on the thread that drives, and
///   that may be another thread each time. It changes nothing of the thread, such as its signal
///   mask. One watcher uses either `collect` or `wait`, and never both.
pub trait PollableSource: ExitSource {
    /// The descriptor. It is always the same one.
    fn descriptor<'a>(&'a self, waiter: &'a Self::Waiter) -> BorrowedFd<'a>;

    /// Adds a report of each exit that has come, without blocking (S12). It may leave some for
    /// the next call (S11).
    ///
    /// # Errors
    ///
    /// Any error of the kernel. The engine returns it to the program.
    fn collect(&self, waiter: &mut Self::Waiter, reports: &mut Vec<Report>) -> io::Result<()>;
}
