//! Watchers without a thread: [`Drive`], and what a program polls.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use childwatch_core::source::{self, PollableSource};
use childwatch_core::{Driver, PidWatcher, WatchError};

/// A [`Driver`] of any source.
pub trait Drive: Send {
    /// As [`Driver::as_fd`].
    fn descriptor(&self) -> BorrowedFd<'_>;

    /// As [`Driver::drive`].
    ///
    /// # Errors
    ///
    /// The driver's.
    fn drive(&mut self, timeout: Option<Duration>) -> Result<usize, WatchError>;
}

impl<S: PollableSource> Drive for Driver<S> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn drive(&mut self, timeout: Option<Duration>) -> Result<usize, WatchError> {
        Driver::drive(self, timeout)
    }
}

/// The two halves of a watcher without a thread.
pub struct Driven {
    /// The half that registers.
    pub watcher: Box<dyn PidWatcher>,
    /// The half that runs callbacks.
    pub driver: Box<dyn Drive>,
}

impl Driven {
    /// Both halves, without the type of their source.
    pub fn new<W: PidWatcher + 'static>((watcher, driver): (W, impl Drive + 'static)) -> Self {
        Driven {
            watcher: Box::new(watcher),
            driver: Box::new(driver),
        }
    }
}

impl fmt::Debug for Driven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driven")
            .field("watcher", &self.watcher)
            .finish_non_exhaustive()
    }
}

/// Whether the descriptor is readable now, as `poll(2)` says.
///
/// # Panics
///
/// When the kernel refuses the question.
#[must_use]
pub fn is_readable(driver: &dyn Drive) -> bool {
    loop {
        match source::await_readable(driver.descriptor(), Some(Duration::ZERO)) {
            // A question is interrupted as a wait is.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            answer => return answer.expect("poll(2)"),
        }
    }
}

/// Waits until the descriptor is readable; whether it is. A signal ends the wait too.
pub(crate) fn await_readable(driver: &dyn Drive, limit: Option<Duration>) -> io::Result<bool> {
    match source::await_readable(driver.descriptor(), limit) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        answer => answer,
    }
}
