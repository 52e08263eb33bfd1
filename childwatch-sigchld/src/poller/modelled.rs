//! What the kernel promises of the descriptors, made of loom's types. No time passes.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use childwatch_core::WatchError;
use loom::sync::{Condvar, Mutex};
use rustix::io::Errno;

use super::ends::Ends;

#[derive(Debug)]
pub(crate) struct Poller {
    number: RawFd,
    file: Arc<File>,
}

#[derive(Debug, Default)]
struct File {
    is_readable: Mutex<bool>,
    changed: Condvar,
}

/// The files that are open, by their numbers. Loom does not see it.
static OPEN: std::sync::Mutex<BTreeMap<RawFd, Arc<File>>> = std::sync::Mutex::new(BTreeMap::new());

fn open() -> std::sync::MutexGuard<'static, BTreeMap<RawFd, Arc<File>>> {
    OPEN.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Poller {
    pub(crate) fn new() -> Result<Self, WatchError> {
        static NEXT: AtomicI32 = AtomicI32::new(3);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let file: Arc<File> = Arc::default();
        open().insert(number, Arc::clone(&file));
        Ok(Poller { number, file })
    }

    pub(crate) fn ends(&self) -> Ends {
        let epoll = self.number;
        Ends {
            epoll,
            wake_fd: epoll,
        }
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        unreachable!("a model waits by `wait`")
    }

    pub(crate) fn wait(&self) -> io::Result<()> {
        let mut is_readable = self.file.is_readable.lock().expect("no model panics here");
        while !*is_readable {
            is_readable = self.file.changed.wait(is_readable).expect("as above");
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn is_readable(&self) -> bool {
        *self.file.is_readable.lock().unwrap()
    }

    pub(crate) fn take_events(&self) -> io::Result<()> {
        *self.file.is_readable.lock().expect("no model panics here") = false;
        Ok(())
    }

    pub(crate) fn set_timer(&self, _left: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        open().remove(&self.number);
    }
}

pub(crate) fn notify(Ends { epoll, .. }: Ends) -> Result<(), Errno> {
    let file = open().get(&epoll).map(Arc::clone);
    let file = file.expect("a descriptor is rung after it was closed");
    *file.is_readable.lock().expect("no model panics here") = true;
    file.changed.notify_all();
    Ok(())
}
