//! A futex made of loom's types. As futex(2) promises, the kernel compares the value and begins the
//! wait in one step, under a lock that a waker takes too.
//!
//! No time passes in a model, so a wait lasts until it is ended.

use std::time::Duration;

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex};
use rustix::io::Errno;

#[derive(Debug, Default)]
pub(crate) struct Futex {
    value: AtomicU32,
    waiters: Mutex<()>,
    woken: Condvar,
}

impl Futex {
    pub(crate) fn value(&self) -> u32 {
        self.value.load(Ordering::SeqCst)
    }

    pub(crate) fn increment(&self) {
        self.value.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn wake_one(&self) {
        let _waiters = self.waiters.lock();
        self.woken.notify_one();
    }

    pub(crate) fn wait(&self, expected: u32, _limit: Option<Duration>) -> Result<(), Errno> {
        let waiters = self.waiters.lock();
        if self.value() != expected {
            return Err(Errno::AGAIN);
        }
        let _waiters = waiters.and_then(|waiters| self.woken.wait(waiters));
        Ok(())
    }
}
