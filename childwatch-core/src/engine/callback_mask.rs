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
//! pending for [`LONGEST`], all other threads block it, or do not run. Then it stays blocked during the
//! callback too, as everywhere in the program. Until a wait succeeds again, each is half as long as
//! the last. The end of the watcher ends a wait.
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

/// The time for a signal when the last ones have stayed pending for long. Beside two busy processes for
/// each processor, a thread that sleeps took 99 % of 1,000 signals within 8 ms. One signal that is taken
/// is enough for [`LONGEST`] again.
const SHORTEST: Duration = Duration::from_millis(10);

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
    /// How long the next wait may last.
    patience: Duration,
    /// The signal was still pending after the last wait, and is blocked during callbacks.
    is_left: bool,
}

impl CallbackMask {
    pub(crate) fn of_creator(creator: SignalMask) -> Self {
        CallbackMask {
            creator,
            awaited: libc::SIGCHLD,
            patience: LONGEST,
            is_left: false,
        }
    }

    /// Waits until the program has taken a pending `SIGCHLD`, while `is_wanted`, and gives the calling
    /// thread the mask. Returns the former mask.
    ///
    /// # Errors
    ///
    /// Only a sandbox refuses the change.
    pub(crate) fn put_on(&mut self, is_wanted: impl Fn() -> bool) -> io::Result<SignalMask> {
        self.await_the_program(is_wanted);
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

    /// Returns how many looks have found the signal.
    fn await_the_program(&mut self, is_wanted: impl Fn() -> bool) -> u32 {
        if self.creator.blocks(self.awaited) {
            return 0;
        }
        let mut looks = 0;
        let mut start = None;
        self.is_left = loop {
            if !is_pending(self.awaited) {
                self.patience = LONGEST;
                break false;
            }
            looks += 1;
            let now = monotonic();
            if now.saturating_sub(*start.get_or_insert(now)) >= self.patience {
                self.patience = (self.patience / 2).max(SHORTEST);
                break true;
            }
            if !is_wanted() {
                break true;
            }
            if looks <= YIELDS {
                std::thread::yield_now();
            } else {
                pause();
            }
        };
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

    /// Returns `true` if the last wait has left the signal pending.
    pub(crate) fn is_left(&self) -> bool {
        self.is_left
    }

    /// Returns `true` if the last wait took all its time.
    pub(crate) fn has_waited_in_vain(&self) -> bool {
        self.patience < LONGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Each test has signals of its own: a change of an action drops the signal on all threads.

    fn mask_in_a_callback(mask: &mut CallbackMask) -> Vec<i32> {
        let own = mask.put_on(|| true).unwrap();
        let in_a_callback = SignalMask::current().unwrap().blocked();
        own.set().unwrap();
        in_a_callback
    }

    /// How often the thread has looked, and for how long it has waited.
    fn wait(mask: &mut CallbackMask) -> (u32, Duration) {
        let start = monotonic();
        let looks = mask.await_the_program(|| true);
        (looks, monotonic().saturating_sub(start))
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
    fn waits_for_a_signal_that_no_thread_takes_become_short_and_are_long_again_later() {
        let creator = SignalMask::current().unwrap();
        let mut mask = CallbackMask::awaiting(libc::SIGUSR1, creator);
        SignalMask::stays_pending(libc::SIGUSR1, || {
            // C4 says so.
            for milliseconds in [500, 250, 125, 62, 31, 15, 10, 10] {
                let time = Duration::from_millis(milliseconds);
                let (looks, waited) = wait(&mut mask);
                assert!(
                    waited >= time,
                    "the program has {waited:?}, and not {time:?}"
                );
                // A thread that never slept would look far more often.
                let longest = YIELDS + 2 + (time.as_micros() / PAUSE.as_micros()) as u32 * 2;
                assert!(looks <= longest, "it sleeps meanwhile: {looks} looks");
                assert!(mask.is_left());
            }
            assert_eq!(mask.patience, SHORTEST);
        });
        assert_eq!(wait(&mut mask).0, 0);
        assert!(!mask.is_left());
        assert_eq!(mask.patience, LONGEST);
    }

    /// As after a long time in which all threads have blocked it.
    #[test]
    fn after_a_wait_in_vain_the_next_signal_is_waited_for_too() {
        let signal = libc::SIGRTMIN() + 1;
        let mut mask = CallbackMask::awaiting(signal, SignalMask::current().unwrap());
        SignalMask::stays_pending(signal, || {
            mask.await_the_program(|| true);
            assert!(mask.is_left());
            let looks = std::cell::Cell::new(0);
            mask.await_the_program(|| {
                looks.set(looks.get() + 1);
                if looks.get() == 2 {
                    SignalMask::take(signal);
                }
                true
            });
            assert!(!mask.is_left());
        });
    }

    #[test]
    fn a_wait_ends_with_the_watcher_and_leaves_the_signal() {
        let creator = SignalMask::current().unwrap();
        let mut mask = CallbackMask::awaiting(libc::SIGRTMIN() + 2, creator);
        let is_pending = SignalMask::stays_pending(libc::SIGRTMIN() + 2, || {
            assert_eq!(mask.await_the_program(|| false), 1);
            let blocked = SignalMask::current().unwrap();
            mask.put_on(|| false).unwrap();
            blocked.set().unwrap();
        });
        assert!(is_pending, "the callback's thread has taken the signal");
    }

    #[test]
    fn a_signal_that_the_creator_blocks_is_not_waited_for() {
        let former = SignalMask::block(libc::SIGURG);
        let creator = SignalMask::current().unwrap();
        let mut mask = CallbackMask::awaiting(libc::SIGURG, creator);
        SignalMask::stays_pending(libc::SIGURG, || {
            assert_eq!(mask.await_the_program(|| true), 0);
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
            assert_eq!(mask.await_the_program(|| true), 0);
            assert_eq!(mask_in_a_callback(&mut mask), creator.blocked());
        });
        assert!(!is_pending, "the thread takes it in the callback");
    }
}
