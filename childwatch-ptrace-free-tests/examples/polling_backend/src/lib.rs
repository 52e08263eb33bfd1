//! A backend for childwatch that polls: it needs no pidfds and no signal handler, only `/proc` and
//! `waitid`. It is an example of a backend outside childwatch's workspace.
//!
//! It watches children only, reports an exit within some milliseconds, and keeps a processor awake
//! while it watches.
//!
//! `tests/laws.rs` holds [`PollingSource`] to the laws of sources, and `tests/conformance.rs` holds
//! [`PollingWatcher`] to the contract.

#![forbid(unsafe_code)]

mod source;

pub use source::PollingSource;

use childwatch_core::WatchError;
use childwatch_core::source::{ThreadedWatcher, delegate_pid_watcher};

/// A [`PidWatcher`](childwatch_core::PidWatcher) of children that polls.
#[derive(Debug)]
pub struct PollingWatcher(ThreadedWatcher<PollingSource>);

impl PollingWatcher {
    /// Starts a watcher.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](WatchError::Unsupported) if `/proc` is not this process's own, and the
    /// errors of [`ThreadedWatcher::start`].
    pub fn new() -> Result<Self, WatchError> {
        let source = PollingSource::new()?;
        ThreadedWatcher::start(source, ()).map(PollingWatcher)
    }
}

delegate_pid_watcher!(impl for PollingWatcher, |this| this.0);
