//! The kernel's futex.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex;
use rustix::time::Timespec;

/// All operations are sequentially consistent.
#[derive(Debug, Default)]
pub(crate) struct Futex(AtomicU32);

impl Futex {
    pub(crate) fn value(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Ends one wait that has begun. Async-signal-safe, and leaves `errno` as it was.
    pub(crate) fn wake_one(&self) {
        // rustix makes the system call without libc, unless another crate of the program turns
        // its libc backend on. Then the call sets errno.
        let before = errno::errno();
        // It can fail only for a bad address.
        let _ = futex::wake(&self.0, futex::Flags::PRIVATE, 1);
        errno::set_errno(before);
    }

    /// If the value is `expected`, waits for a wake, for `limit` at most.
    pub(crate) fn wait(&self, expected: u32, limit: Option<Duration>) -> Result<(), Errno> {
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        futex::wait(&self.0, futex::Flags::PRIVATE, expected, limit.as_ref())
    }
}
