//! [`EventCount`]: what ends the watcher's wait. It takes no file descriptor, unless its [`Wire`] is
//! connected.

use std::time::Duration;

use rustix::io::Errno;

use super::futex::Futex;
use super::wire::Wire;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Counts its notifications, and ends a wait that began before one.
///
/// One thread waits at a time. All operations are sequentially consistent. The waiter says
/// that it waits, and then compares the count. A notifier raises the count, and then looks
/// whether a thread waits. So one of the two sees the other.
#[derive(Debug, Default)]
pub(crate) struct EventCount {
    count: Futex,
    has_waiter: AtomicBool,
    /// To the descriptor of a watcher without a thread.
    pub(crate) wire: Wire,
}

impl EventCount {
    pub(crate) fn count(&self) -> u32 {
        self.count.value()
    }

    /// Async-signal-safe: three atomic operations, and the system call futex only if a thread
    /// waits. If the wire is connected, some atomic operations and two system calls more. `errno`
    /// stays as it was.
    ///
    /// # Errors
    ///
    /// The kernel's error if the wire is connected and a call is refused.
    pub(crate) fn notify(&self) -> Result<(), Errno> {
        self.count.increment();
        if self.has_waiter.load(Ordering::SeqCst) {
            self.count.wake_one();
        }
        self.wire.notify()
    }

    /// Waits until the count is another than `seen`, `limit` at most.
    ///
    /// # Errors
    ///
    /// What a sandbox answers. The kernel itself only says how the wait has ended.
    pub(crate) fn wait(&self, seen: u32, limit: Option<Duration>) -> Result<(), Errno> {
        self.has_waiter.store(true, Ordering::SeqCst);
        let ended = self.count.wait(seen, limit);
        self.has_waiter.store(false, Ordering::SeqCst);
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
    fn a_notification_since_the_count_was_read_ends_the_wait_before_it_begins() {
        let events = EventCount::default();
        let seen = events.count();
        events.notify().unwrap();
        assert_ne!(events.count(), seen);
        assert_eq!(events.wait(seen, None), Ok(()));
    }

    #[test]
    fn a_notification_ends_the_wait_that_is_under_way() {
        let events = EventCount::default();
        let seen = events.count();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| events.wait(seen, None));
            while !events.has_waiter.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            events.notify().unwrap();
            assert_eq!(waiting.join().unwrap(), Ok(()));
        });
    }

    #[test]
    fn without_a_notification_the_wait_lasts_to_its_limit() {
        let events = EventCount::default();
        // A signal of the process may end one wait early, not all of them.
        let lasts = |limit: Duration| {
            let start = Instant::now();
            assert_eq!(events.wait(events.count(), Some(limit)), Ok(()));
            start.elapsed() >= limit
        };
        assert!((0..10).any(|_| lasts(Duration::from_millis(5))));
    }
}
