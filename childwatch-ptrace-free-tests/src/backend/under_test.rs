//! [`BackendUnderTest`]: what the suite asks of a backend.

#![expect(
    unsafe_code,
    reason = "`fork_watchable`, which a broken backend replaces"
)]

use std::convert::Infallible;
use std::io;
use std::process::{Child, Command};
use std::time::Duration;

use childwatch_core::{Pid, PidWatcher, PidWatcherExt, WatchError};

use super::feature::Feature;
use crate::kit::child::{Nursery, RealNursery};

/// A backend that the suite can run against.
pub trait BackendUnderTest: Sync {
    /// A short name, for the matrix and the command line.
    fn name(&self) -> &'static str;

    /// A new watcher.
    ///
    /// # Errors
    ///
    /// What the backend's own constructor answers.
    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError>;

    /// Whether the backend works at all on this kernel and in this sandbox, and has
    /// what it takes now; the reason if not. All its cases are unsupported then, but
    /// those that need no more than [`AnAnswer`](super::need::Need::AnAnswer).
    ///
    /// # Errors
    ///
    /// Why not, for the report.
    fn is_available(&self) -> Result<(), String> {
        Ok(())
    }

    /// Returns `Ok` if the backend offers what a case needs of it.
    ///
    /// # Errors
    ///
    /// The reason, for the report.
    fn offers(&self, feature: Feature) -> Result<(), String>;

    /// Where the processes come from. The default forks real ones.
    fn nursery(&self) -> Box<dyn Nursery> {
        Box::new(RealNursery)
    }

    /// How the backend tells a number's next process from the last: by the time of its
    /// start, in units of this much, when it is registered. Two of one unit it may take
    /// for one, and one that is never registered, too. Zero, the default: by something
    /// that no two processes share.
    fn unit_of_start_times(&self) -> Duration {
        Duration::ZERO
    }

    /// [`PidWatcherExt::spawn_watchable`], for a suite that tests a broken one.
    ///
    /// # Errors
    ///
    /// As the extension's.
    fn spawn_watchable(
        &self,
        watcher: &dyn PidWatcher,
        command: &mut Command,
    ) -> io::Result<Child> {
        watcher.spawn_watchable(command)
    }

    /// [`PidWatcherExt::fork_watchable`], for a suite that tests a broken one.
    ///
    /// # Errors
    ///
    /// As the extension's.
    ///
    /// # Safety
    ///
    /// As the extension's.
    unsafe fn fork_watchable(
        &self,
        watcher: &dyn PidWatcher,
        child: fn() -> Infallible,
    ) -> io::Result<Pid> {
        // SAFETY: the caller's promise.
        unsafe { watcher.fork_watchable(child) }
    }
}
