//! [`Bell`]: what ends the watcher's wait. It takes no file descriptor.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex;
use rustix::time::Timespec;

/// Counts its rings, and ends a wait that began before one.
///
/// One thread listens at a time. All operations are sequentially consistent: the
/// listener says that it waits and then looks at the count, a ringer counts and then
/// looks whether anybody waits, and one of the two sees the other.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rings: AtomicU32,
    is_listened_to: AtomicBool,
}

impl Bell {
    pub(crate) fn rings(&self) -> u32 {
        self.rings.load(Ordering::SeqCst)
    }

    /// Async-signal-safe: two atomic operations, and the system call futex only if
    /// somebody waits. That call is made without libc, so `errno` stays as it was.
    pub(crate) fn ring(&self) {
        self.rings.fetch_add(1, Ordering::SeqCst);
        if self.is_listened_to.load(Ordering::SeqCst) {
            // It can fail only for a bad address.
            let _ = futex::wake(&self.rings, futex::Flags::PRIVATE, 1);
        }
    }

    /// Waits for a ring after `heard`, `limit` at most.
    ///
    /// # Errors
    ///
    /// What a sandbox answers; the kernel itself only tells of the end of the wait.
    pub(crate) fn listen(&self, heard: u32, limit: Option<Duration>) -> Result<(), Errno> {
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        self.is_listened_to.store(true, Ordering::SeqCst);
        let ended = futex::wait(&self.rings, futex::Flags::PRIVATE, heard, limit.as_ref());
        self.is_listened_to.store(false, Ordering::SeqCst);
        match ended {
            Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}
