//! The events of the feature `tracing`. Without the feature each function here is empty, and each
//! type has no size. So no caller needs a `cfg`.
//!
//! The first page of the crate has the table of events. A subscriber belongs to the program. It
//! may call the watcher, block, or panic. Therefore:
//!
//! - No event is emitted under a lock of the library, in the signal handler, or in a forked copy.
//! - An event of the driving thread is emitted inside a round, if it is about a process. So the
//!   watcher's calls answer there as in a callback.
//! - A panic of the subscriber goes no further: see [`quietly`].

#![cfg_attr(
    not(feature = "tracing"),
    expect(unused_variables, reason = "nothing is emitted")
)]

use std::process::ExitStatus;

use crate::contract::error::WatchError;
use crate::contract::pid::Pid;

#[cfg(feature = "tracing")]
pub use emitting::quietly;

/// Emits an event whose target is `childwatch`.
macro_rules! event {
    ($level:ident, $($fields:tt)+) => {
        #[cfg(feature = "tracing")]
        quietly(|| tracing::event!(target: "childwatch", tracing::Level::$level, $($fields)+))
    };
}

pub(crate) fn registered(pid: Pid, held: bool) {
    event!(DEBUG, pid = pid.as_raw(), held, "registered");
}

/// Emits an event if the registration has been refused. `pid` is `None` if a pidfd named the
/// process.
pub(crate) fn registration_answered<T>(pid: Option<Pid>, answer: &Result<T, WatchError>) {
    #[cfg(feature = "tracing")]
    if let Err(error) = answer {
        let pid = pid.map(Pid::as_raw);
        event!(DEBUG, pid, error = error as &Error, "refused");
    }
}

pub(crate) fn spilled(pid: Pid, error: &WatchError) {
    event!(
        DEBUG,
        pid = pid.as_raw(),
        error = error as &Error,
        "spilled"
    );
}

pub(crate) fn watcher_dropped() {
    event!(DEBUG, "watcher ended");
}

pub(crate) fn source_panicked() {
    event!(ERROR, "watcher ended: its source has panicked");
}

#[cfg(feature = "tracing")]
type Error = dyn std::error::Error + 'static;

/// The exits that a round has taken in under the lock. They are emitted when it is released.
pub(crate) struct NewExits {
    /// `None` if no subscriber is interested.
    #[cfg(feature = "tracing")]
    taken_in: Option<Vec<(Pid, Option<ExitStatus>)>>,
}

impl NewExits {
    pub(crate) fn new() -> Self {
        NewExits {
            #[cfg(feature = "tracing")]
            taken_in: emitting::may_be_on(tracing::Level::DEBUG).then(Vec::new),
        }
    }

    pub(crate) fn push(&mut self, pid: Pid, status: Option<ExitStatus>) {
        #[cfg(feature = "tracing")]
        if let Some(taken_in) = &mut self.taken_in {
            taken_in.push((pid, status));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        #[cfg(feature = "tracing")]
        return self.taken_in.as_ref().is_none_or(Vec::is_empty);
        #[cfg(not(feature = "tracing"))]
        true
    }

    /// Must not be called under the lock.
    pub(crate) fn emit(self) {
        #[cfg(feature = "tracing")]
        for (pid, status) in self.taken_in.into_iter().flatten() {
            let status = status.map(tracing::field::display);
            event!(DEBUG, pid = pid.as_raw(), status, "exited");
        }
    }
}

/// A callback that has begun to run.
pub(crate) struct Running {
    /// When it began. `None` if no subscriber is interested.
    #[cfg(feature = "tracing")]
    since: Option<std::time::Duration>,
}

impl Running {
    pub(crate) fn begin() -> Self {
        Running {
            #[cfg(feature = "tracing")]
            since: emitting::may_be_on(tracing::Level::DEBUG)
                .then(crate::platform::clock::monotonic),
        }
    }

    pub(crate) fn returned(self, pid: Pid) {
        #[cfg(feature = "tracing")]
        if let Some(duration_us) = self.microseconds() {
            event!(DEBUG, pid = pid.as_raw(), duration_us, "callback ran");
        }
    }

    pub(crate) fn panicked(self, pid: Pid) {
        #[cfg(feature = "tracing")]
        let duration_us = self.microseconds();
        event!(WARN, pid = pid.as_raw(), duration_us, "callback panicked");
    }

    #[cfg(feature = "tracing")]
    fn microseconds(&self) -> Option<u64> {
        // First the time of the begin: without it, the clock is not read again.
        let since = self.since?;
        let ran = crate::platform::clock::monotonic().saturating_sub(since);
        Some(u64::try_from(ran.as_micros()).unwrap_or(u64::MAX))
    }
}

#[cfg(feature = "tracing")]
mod emitting {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use tracing::Level;
    use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};

    use crate::engine::user_code::drop_quietly;

    /// Returns `false` if no subscriber is interested in this level.
    pub(super) fn may_be_on(level: Level) -> bool {
        level <= STATIC_MAX_LEVEL && level <= LevelFilter::current()
    }

    /// Emits an event. If the subscriber panics, the panic hook reports that, and the panic goes no
    /// further. It would end the watcher, or go on to a caller whose registration is in force.
    pub fn quietly(emit: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(emit)) {
            drop_quietly(payload);
        }
    }
}
