//! [`ExitSource`]: what a backend implements to get the engine.

use std::fmt;
use std::io;
use std::process::ExitStatus;

use crate::{Pid, WatchError};

/// Observes processes for the engine, [`ThreadedWatcher`](crate::ThreadedWatcher).
///
/// A source never sees a callback, so it cannot get cancellation, order,
/// re-entry or panics wrong: all of that is the engine's. It arms and disarms
/// processes under tokens, and says which of them have exited.
///
/// # Laws
///
/// - **S1 before or after.** `arm` on a process that has exited already is
///   reported just as an exit that comes later.
/// - **S2 at least once, never early.** Each armed token is reported at least
///   once after its process's exit, and never before. Repeats, and reports of
///   tokens disarmed since, are harmless: the engine drops them.
/// - **S3 disarm.** `disarm` ends the watch and gives back whatever it held. The
///   engine disarms each armed token at most once, never one whose `arm` failed,
///   and never in a forked copy of the process; tokens still armed when the
///   source is dropped are not disarmed one by one.
/// - **S4 wake.** `wake` ends the wait under way, or else the next one.
/// - **S5 nothing behind.** A failed `arm` leaves nothing: no fd, no entry.
/// - **S6 no engine lock.** `arm`, `disarm`, `is_reaped` and `look` run on the
///   caller's thread, several at once, without the engine's lock; `wait` runs on
///   the watcher's thread alone. None of them may call the watcher.
/// - **S7 status.** A report carries what is known of the status, and `None`
///   rather than a guess.
/// - **S8 look.** `look` makes one non-blocking look at one armed process. It
///   returns a report as soon as the process has exited and its parent can wait
///   for it, and never before. It does not replace a report: `wait` still gives
///   one.
/// - **S9 no panic.** No method panics. If `start`, `wait`, `wake` or `disarm` does so
///   on the watcher's thread, the watcher ends: pending callbacks are dropped without
///   running, and every later call answers [`Stopped`](WatchError::Stopped). A panic on
///   a caller's thread goes on to the caller.
pub trait ExitSource: fmt::Debug + Send + Sync + 'static {
    /// What only the watcher's thread touches: a poller, its event buffer.
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
    /// [`ResourceLimit`](WatchError::ResourceLimit),
    /// [`Unsupported`](WatchError::Unsupported) or [`Os`](WatchError::Os).
    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError>;

    /// Ends the watch of an armed token (S3).
    fn disarm(&self, token: Token);

    /// Whether the process armed under `token` has been reaped, so that its
    /// number may be another process's by now (C13). `false` when that cannot
    /// be told; `true` for a token that is not armed.
    fn is_reaped(&self, token: Token) -> bool;

    /// Looks once at the process armed under `token`, without blocking (S8).
    ///
    /// Returns `None` if the process has not exited, if the source cannot tell, and
    /// if the token is not armed.
    fn look(&self, token: Token) -> Option<Report>;

    /// Called once, first of all on the watcher's thread, where every signal is blocked
    /// except the synchronous ones (C4). The default does nothing.
    ///
    /// What this method and [`wait`](Self::wait) change in the thread's signal mask lasts:
    /// the engine changes the mask for callbacks only, and restores it after them.
    fn start(&self, _waiter: &mut Self::Waiter) {}

    /// Waits until a process has exited or `wake` is called, and adds a report
    /// of each exit to `reports`. Returning early with none is allowed.
    ///
    /// # Errors
    ///
    /// Whatever the kernel answers; the engine asks again, with a growing pause.
    fn wait(&self, waiter: &mut Self::Waiter, reports: &mut Vec<Report>) -> io::Result<()>;

    /// Ends the wait that is under way, or else the next one (S4).
    ///
    /// # Errors
    ///
    /// Whatever the kernel answers; the wait may then not have ended.
    fn wake(&self) -> io::Result<()>;
}

/// Names one armed process: a place and a generation.
///
/// Of the tokens armed at one time each has an index of its own, the indices are
/// small, and a source may keep its table by them. The generation tells a
/// place's successive holders apart: a report with an old one is stale. It
/// comes round after 2³² uses of one place, far more than the reports that can
/// be in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    index: u32,
    generation: u32,
}

impl Token {
    /// The token of this place and holder.
    #[must_use]
    pub const fn from_parts(index: u32, generation: u32) -> Self {
        Token { index, generation }
    }

    /// The place, unique among the tokens armed at one time.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Which holder of the place this is.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }

    /// Index and generation in one number, as an event queue carries it. No
    /// token is `u64::MAX`.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The token that [`to_bits`](Self::to_bits) gave this number for.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Token {
            index: bits as u32,
            generation: (bits >> 32) as u32,
        }
    }
}

/// One exit, as a source saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The token that the process was armed under.
    pub token: Token,
    /// What is known of its status (S7).
    pub status: Option<ExitStatus>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_from_its_bits() {
        for (index, generation) in [(0, 0), (1, 2), (u32::MAX - 1, u32::MAX)] {
            let token = Token::from_parts(index, generation);
            assert_eq!(Token::from_bits(token.to_bits()), token);
        }
        assert_eq!(Token::from_parts(7, 9).to_bits(), 0x9_0000_0007);
    }
}
