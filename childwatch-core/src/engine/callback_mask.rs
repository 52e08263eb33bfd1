//! [`CallbackMask`]: which signals the watcher's own thread blocks while a callback runs (C4).
//!
//! A callback runs with the mask of the thread that made the watcher, because a process that is
//! started there inherits it. But the exit that a callback reports has raised `SIGCHLD`, and the
//! kernel wakes the watcher at the same moment. If the watcher's thread let the signal through at once, it
//! would often take the signal in place of the program's thread. Then the program's handler would run
//! on the wrong thread, perhaps while the program blocks the signal to keep the handler away. And a sleep
//! of the program, which the signal should end, would not end.
//!
//! So the program takes `SIGCHLD` first: the thread waits until the signal is not pending. If it stays
//! pending for [`LONGEST`], all other threads block it. Then it stays blocked during the
//! callback too, as everywhere in the program.
//!
//! The thread waits for no other signal. Others do not come with exits. And what is pending may be meant
//! for this thread alone, such as the `SIGPIPE` of its own writes, so that no other could take it.

use std::io;
use std::time::Duration;

use crate::engine::signal_mask::{SignalMask, is_pending};
use crate::platform::clock::monotonic;

/// A thread that lets a signal through takes it when it gets a processor. Beside 30 busy processes
/// for each processor, the median of 300 signals took 59 ms, and the slowest 181 ms.
const LONGEST: Duration = Duration::from_millis(500);

/// How often the thread yields before it sleeps between two looks. Mostly the signal is taken by
/// then.
const YIELDS: u32 = 50;

/// The time between two later looks.
const PAUSE: Duration = Duration::from_micros(100);

pub(crate) struct CallbackMask {
    /// The mask of the thread that made the watcher.
    creator: SignalMask,
    /// `SIGCHLD`. A test has another: the action of a signal is that of the whole process.
    awaited: libc::c_int,
    /// The signal has stayed pending since the last wait, and is blocked during callbacks.
    is_left: bool,
}

impl CallbackMask {
    pub(crate) fn of_creator(creator: SignalMask) -> Self {
        CallbackMask {
            creator,
            awaited: libc::SIGCHLD,
            is_left: false,
        }
    }

    /// Waits until the program has taken a pending `SIGCHLD`, and gives the calling thread the mask.
    /// Returns the former mask.
    ///
    /// # Errors
    ///
    /// Only a sandbox refuses the change.
    pub(crate) fn put_on(&mut self) -> io::Result<SignalMask> {
        self.await_the_program();
        self.put_on_again()
    }

    /// Gives the calling thread the mask, without waiting.
    pub(crate) fn put_on_again(&self) -> io::Result<SignalMask> {
        if self.is_left {
            self.creator.with(self.awaited).set()
        } else {
            self.creator.set()
        }
    }

    /// Returns how many looks have found a signal that is worth a wait.
    fn await_the_program(&mut self) -> u32 {
        if self.creator.blocks(self.awaited) {
            return 0;
        }
        let mut looks = 0;
        let mut start = None;
        while is_pending(self.awaited) {
            if self.is_left {
                return looks;
            }
            looks += 1;
            let now = monotonic();
            if now.saturating_sub(*start.get_or_insert(now)) >= LONGEST {
                self.is_left = true;
                return looks;
            }
            if looks <= YIELDS {
                std::thread::yield_now();
            } else {
                pause();
            }
        }
        self.is_left = false;
        looks
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the kernel tells nobody that a signal has been taken"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}

#[cfg(test)]
impl CallbackMask {
    /// As [`of_creator`](Self::of_creator), and another signal than `SIGCHLD` is awaited.
    pub(crate) fn awaiting(awaited: libc::c_int, creator: SignalMask) -> Self {
        CallbackMask {
            awaited,
            ..Self::of_creator(creator)
        }
    }

    /// Returns `true` if a wait has left the signal pending.
    pub(crate) fn is_left(&self) -> bool {
        self.is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Each test has signals of its own: a change of an action drops the signal on all threads.

    fn mask_in_a_callback(mask: &mut CallbackMask) -> Vec<i32> {
        let own = mask.put_on().unwrap();
        let in_a_callback = SignalMask::current().unwrap().blocked();
        own.set().unwrap();
        in_a_callback
    }

    #[test]
    fn a_signal_that_no_thread_takes_stays_pending_and_blocked() {
        let creator = SignalMask::current().unwrap();
        let mut mask = CallbackMask::awaiting(libc::SIGUSR2, creator);
        let is_pending = SignalMask::stays_pending(libc::SIGUSR2, || {
            for _ in 0..3 {
                let blocked = mask_in_a_callback(&mut mask);
                assert!(blocked.contains(&libc::SIGUSR2));
            }
        });
        assert!(is_pending, "the callback's thread has taken the signal");
        // It has been taken since.
        assert_eq!(mask_in_a_callback(&mut mask), creator.blocked());
    }

    #[test]
    fn one_wait_is_enough_for_a_signal_that_no_thread_takes() {
        let creator = SignalMask::current().unwrap();
        let mut mask = CallbackMask::awaiting(libc::SIGUSR1, creator);
        SignalMask::stays_pending(libc::SIGUSR1, || {
            let start = monotonic();
            let looks = [(); 3].map(|()| mask.await_the_program());
            let waited = monotonic().saturating_sub(start);
            assert!(looks[0] > YIELDS, "the wait is long: {looks:?}");
            // C4 says so.
            let half_a_second = Duration::from_millis(500);
            assert!(waited >= half_a_second, "the program has {waited:?}");
            // A thread that never slept would look far more often.
            let longest = YIELDS + 1 + (half_a_second.as_micros() / PAUSE.as_micros()) as u32;
            assert!(looks[0] <= longest, "it sleeps meanwhile: {looks:?}");
            assert_eq!(looks[1..], [0, 0]);
            assert!(mask.is_left());
        });
    }

    #[test]
    fn a_signal_that_the_creator_blocks_is_not_waited_for() {
        let former = SignalMask::block(libc::SIGURG);
        let creator = SignalMask::current().unwrap();
        let mut mask = CallbackMask::awaiting(libc::SIGURG, creator);
        SignalMask::stays_pending(libc::SIGURG, || {
            assert_eq!(mask.await_the_program(), 0);
            assert!(!mask.is_left());
        });
        former.set().unwrap();
    }

    /// It may be meant for this thread alone, so that no other could take it.
    #[test]
    fn another_signal_is_not_waited_for_and_let_through() {
        let creator = SignalMask::current().unwrap();
        let mut mask = CallbackMask::of_creator(creator);
        let is_pending = SignalMask::stays_pending(libc::SIGXCPU, || {
            assert_eq!(mask.await_the_program(), 0);
            assert_eq!(mask_in_a_callback(&mut mask), creator.blocked());
        });
        assert!(!is_pending, "the thread takes it in the callback");
    }
}
