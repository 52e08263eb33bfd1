//! [`Bell`]: what ends the watcher's wait. It takes no file descriptor, unless its [`Wire`] is
//! connected.

use std::time::Duration;

use rustix::io::Errno;

use super::futex::Futex;
use super::wire::Wire;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Counts its rings, and ends a wait that began before one.
///
/// One thread listens at a time. All operations are sequentially consistent: the
/// listener says that it waits and then looks at the count, a ringer counts and then
/// looks whether anybody waits, and one of the two sees the other.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rings: Futex,
    is_listened_to: AtomicBool,
    /// To the descriptor of a watcher without a thread.
    pub(crate) wire: Wire,
}

impl Bell {
    pub(crate) fn rings(&self) -> u32 {
        self.rings.value()
    }

    /// Async-signal-safe: three atomic operations, and the system call futex only if
    /// somebody waits. If the wire is connected, some atomic operations and two system calls
    /// more. `errno` stays as it was.
    ///
    /// # Errors
    ///
    /// What the kernel answers if the wire is connected.
    pub(crate) fn ring(&self) -> Result<(), Errno> {
        self.rings.increment();
        if self.is_listened_to.load(Ordering::SeqCst) {
            self.rings.wake_one();
        }
        self.wire.ring()
    }

    /// Waits for a ring after `heard`, `limit` at most.
    ///
    /// # Errors
    ///
    /// What a sandbox answers; the kernel itself only tells of the end of the wait.
    pub(crate) fn listen(&self, heard: u32, limit: Option<Duration>) -> Result<(), Errno> {
        self.is_listened_to.store(true, Ordering::SeqCst);
        let ended = self.rings.wait(heard, limit);
        self.is_listened_to.store(false, Ordering::SeqCst);
        match ended {
            Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_ring_after_what_was_heard_ends_the_wait_before_it_begins() {
        let bell = Bell::default();
        let heard = bell.rings();
        bell.ring().unwrap();
        assert_ne!(bell.rings(), heard);
        assert_eq!(bell.listen(heard, None), Ok(()));
    }

    #[test]
    fn a_ring_ends_the_wait_that_is_under_way() {
        let bell = Bell::default();
        let heard = bell.rings();
        thread::scope(|scope| {
            let listening = scope.spawn(|| bell.listen(heard, None));
            while !bell.is_listened_to.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            bell.ring().unwrap();
            assert_eq!(listening.join().unwrap(), Ok(()));
        });
    }

    #[test]
    fn without_a_ring_the_wait_lasts_to_its_limit() {
        let bell = Bell::default();
        // A signal of the process's may end one wait early, not all of them.
        let lasts = |limit: Duration| {
            let start = Instant::now();
            assert_eq!(bell.listen(bell.rings(), Some(limit)), Ok(()));
            start.elapsed() >= limit
        };
        assert!((0..10).any(|_| lasts(Duration::from_millis(5))));
    }
}
