//! [`ExitSource`]: what a backend implements to get the engine.

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::contract::error::{WatchError, not_offered};
use crate::contract::pid::Pid;
use crate::contract::stats::WatcherStats;
use crate::source::report::Report;
use crate::source::token::Token;

/// Observes processes for the engine, [`ThreadedWatcher`](crate::source::ThreadedWatcher) or
/// [`DrivenWatcher`](crate::DrivenWatcher). The latter needs a
/// [`PollableSource`](crate::source::PollableSource). Below, *the watcher's thread* is then the
/// thread that drives.
///
/// A source arms and disarms processes under tokens, and reports which of them have exited. It
/// never sees a callback. Order, cancellation, re-entry and panics of callbacks are the engine's.
///
/// # Laws
///
/// - **S1 before or after.** If a process has exited before `arm`, its exit is reported just
///   as a later exit.
/// - **S2 at least once, never early.** Each armed token is reported at least
///   once after its process's exit, and never before. Repeats, and reports of
///   tokens disarmed since, are harmless: the engine drops them.
///   - A child is reported when its parent can wait for it, as in S8, or when it has been reaped. A
///     pidfd is readable earlier. While a tracer holds a child that has exited, `waitid` with
///     `WNOHANG` returns no child. While a child is being reaped, `waitid` fails with `ECHILD`, and
///     the kernel may not have stored the status yet (`PIDFD_GET_INFO`, Linux 6.15).
///   - Such a pidfd stays readable, so a level-triggered poller would return at once, again and
///     again. Register the pidfd with `EPOLLET`. The kernel makes another edge when the tracer lets
///     the child go. From Linux 6.9 on, it makes one when the child has been reaped too. Without
///     such an edge, look again after a pause, or report the exit without a status.
/// - **S3 disarm.** `disarm` ends the watch and releases all that it held. The
///   engine disarms each armed token at most once. It never disarms a token whose `arm`
///   failed, and never in a forked copy of the process. Tokens that are armed when the
///   source is dropped are not disarmed one by one.
/// - **S4 wake.** `wake` ends the wait that is under way. If there is none, it ends the next
///   one. It writes to no file: the program may have closed all its descriptors, and then a file of
///   the program has the number. A futex is no file. An epoll instance is woken without a write:
///   1. Make an eventfd with the value 1, and never read it. So it is always readable.
///   2. Add it to the instance with `EPOLLPRI | EPOLLET`. An eventfd never has `EPOLLPRI`, so the
///      source begins unwoken.
///   3. To wake, call `EPOLL_CTL_MOD` with `EPOLLIN | EPOLLET`. Each such call queues an event,
///      also if nothing has changed. The wait that takes the event uses the wake up. Without
///      `EPOLLET` (or `EPOLLONESHOT`), the event would end each later wait too.
/// - **S5 nothing behind.** A failed `arm` leaves no file descriptor and no entry.
/// - **S6 no engine lock.** `arm`, `disarm`, `is_reaped`, `look` and `add_stats` run on the
///   caller's thread, several at once, without the engine's lock; `wait` runs on
///   the watcher's thread alone. None of them may call the watcher.
/// - **S7 status.** A report has the status if it is known, and otherwise `None`. It never has
///   a guess. The same holds for the resource usage, if `ask_for_resource_usage` was called.
/// - **S8 look.** `look` makes one non-blocking look at one armed process. It
///   returns a report as soon as the process has exited and its parent can wait
///   for it, and never before. It does not replace a report: `wait` still gives
///   one. On a thread with a descriptor table of its own (`unshare(CLONE_FILES)`), a number of the
///   source leads to no file, or to another one. A look there never takes such a file for an exit
///   where the kernel shows the difference: `POLLNVAL` is not readable, and
///   `waitid(P_PIDFD)` fails with `EBADF` if the file is no pidfd. It cannot recognise the pidfd of
///   another process. The documentation of such a backend tells its users (C18).
/// - **S9 no panic.** No method panics. If `start`, `wait`, `collect`, `wake` or `disarm` panics on
///   the driving thread, the watcher ends: pending callbacks are dropped without running, and
///   every later call returns [`Stopped`](WatchError::Stopped). A panic on a caller's
///   thread goes on to the caller.
/// - **S13 pidfds.** (S10 to S12 are those of a `PollableSource`.) `arm_pidfd` arms the process of
///   a pidfd and no other. It keeps a duplicate, changes nothing of the pidfd, and leaves no file
///   descriptor if it fails. `pidfd` returns a duplicate of the pidfd that is armed, with a number
///   that no standard stream has. A duplicate that someone else keeps harms no later arming. A
///   source without pidfds keeps the defaults of `pid_of`, `arm_pidfd` and `pidfd`. So does a
///   source of children only (C19). All three run on the caller's thread, as `arm` does.
/// - **S14 signals.** `send_signal` sends a signal to the process that is armed, or to none. It
///   runs on the caller's thread, as `look` does. A source that cannot send signals keeps the
///   default.
pub trait ExitSource: fmt::Debug + Send + Sync + 'static {
    /// State that only the watcher's thread uses, such as a poller and its event buffer.
    type Waiter: Send + 'static;

    /// The name of the watcher's thread. A name of more than 15 bytes does not compile,
    /// because Linux shows no more.
    const THREAD_NAME: &'static str;

    /// Begins to watch `pid` under `token` (S1, S5).
    ///
    /// # Errors
    ///
    /// [`NoSuchProcess`](WatchError::NoSuchProcess),
    /// [`NotAChild`](WatchError::NotAChild),
    /// [`OwnProcess`](WatchError::OwnProcess),
    /// [`ResourceLimit`](WatchError::ResourceLimit),
    /// [`Unsupported`](WatchError::Unsupported) or [`Os`](WatchError::Os).
    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError>;

    /// Returns the pid of the process of a pidfd, if the process can be armed by it (S13).
    ///
    /// # Errors
    ///
    /// [`UnusablePidfd`](WatchError::UnusablePidfd), [`OwnProcess`](WatchError::OwnProcess),
    /// [`ResourceLimit`](WatchError::ResourceLimit), [`Os`](WatchError::Os), or
    /// [`Unsupported`](WatchError::Unsupported), which is the default.
    fn pid_of(&self, pidfd: BorrowedFd<'_>) -> Result<Pid, WatchError> {
        let _ = pidfd;
        Err(not_offered("pidfds", None))
    }

    /// Begins to watch the process of a pidfd under `token` (S13). `pid` is what
    /// [`pid_of`](Self::pid_of) has returned for it. The process may have been reaped since. Then
    /// its exit is reported.
    ///
    /// # Errors
    ///
    /// As [`arm`](Self::arm). The default is [`Unsupported`](WatchError::Unsupported).
    fn arm_pidfd(&self, pid: Pid, pidfd: BorrowedFd<'_>, token: Token) -> Result<(), WatchError> {
        let _ = (pidfd, token);
        Err(not_offered("pidfds", Some(pid)))
    }

    /// Returns a duplicate of the pidfd of the process that is armed under `token` (S13). `pid` is
    /// the pid that it was armed with.
    ///
    /// # Errors
    ///
    /// [`NotRegistered`](WatchError::NotRegistered) if the token is not armed,
    /// [`ResourceLimit`](WatchError::ResourceLimit), [`Os`](WatchError::Os), or
    /// [`Unsupported`](WatchError::Unsupported), which is the default.
    fn pidfd(&self, pid: Pid, token: Token) -> Result<OwnedFd, WatchError> {
        let _ = token;
        Err(not_offered("pidfds", Some(pid)))
    }

    /// Sends a signal to the process that is armed under `token` (S14). `pid` is the pid that it was
    /// armed with. A zombie takes any signal, and the signal 0 is not sent.
    ///
    /// # Errors
    ///
    /// [`NotRegistered`](WatchError::NotRegistered) if the token is not armed,
    /// [`NoSuchProcess`](WatchError::NoSuchProcess) if the process has been reaped,
    /// [`Os`](WatchError::Os) with `EINVAL` or `EPERM`, or
    /// [`Unsupported`](WatchError::Unsupported), which is the default.
    fn send_signal(&self, pid: Pid, token: Token, signal: i32) -> Result<(), WatchError> {
        let _ = (token, signal);
        Err(not_offered("signals", Some(pid)))
    }

    /// Ends the watch of an armed token (S3).
    fn disarm(&self, token: Token);

    /// Returns `true` if the process armed under `token` has been reaped, so that its pid may
    /// belong to another process (C13).
    ///
    /// Returns `false` if the source cannot know, and `true` if the token is not armed.
    fn is_reaped(&self, token: Token) -> bool;

    /// Looks once at the process armed under `token`, without blocking (S8).
    ///
    /// Returns `None` if the process has not exited, if the source cannot tell, and
    /// if the token is not armed.
    fn look(&self, token: Token) -> Option<Report>;

    /// Lets reports have the [`ResourceUsage`](crate::ResourceUsage) of each child from now on, if
    /// the source knows it (S7). The default does nothing.
    fn ask_for_resource_usage(&self) {}

    /// Returns `true` if the source reports that a process has been reaped, and not that it has
    /// exited (C21). The answer is always the same. The default is `false`.
    fn awaits_reaping(&self) -> bool {
        false
    }

    /// Adds what the source counts to `stats`: the numbers that are `Option`s. The engine sets the
    /// others. The default adds nothing.
    fn add_stats(&self, _stats: &mut WatcherStats) {}

    /// Prepares the driving thread. The engine calls it once, before the first wait.
    ///
    /// On the watcher's own thread it is the first method that is called, and every signal is
    /// blocked there except the synchronous ones (C4). A driven watcher calls it in its first
    /// `drive`. Then it must not change the mask of that thread. The default does nothing.
    ///
    /// This method and [`wait`](Self::wait) may change the signal mask of the thread. The change
    /// lasts, because the engine changes the mask for callbacks only, and restores it after
    /// them.
    fn start(&self, _waiter: &mut Self::Waiter) {}

    /// Waits until a process has exited or `wake` is called, and adds a report of each exit to
    /// `reports`. It may return early without a report.
    ///
    /// It must work at every limit of open files, also at 0, because a program may lower the limit.
    /// `poll` with more descriptors than the limit fails with `EINVAL`, and epoll does not.
    /// [`await_readable`](crate::source::await_readable) works for one descriptor.
    ///
    /// # Errors
    ///
    /// Any error of the kernel. The engine calls the method again after a pause, which grows with
    /// each failure.
    fn wait(&self, waiter: &mut Self::Waiter, reports: &mut Vec<Report>) -> io::Result<()>;

    /// Ends the wait that is under way, or else the next one (S4).
    ///
    /// # Errors
    ///
    /// Any error of the kernel. The wait may then not have ended.
    fn wake(&self) -> io::Result<()>;
}
