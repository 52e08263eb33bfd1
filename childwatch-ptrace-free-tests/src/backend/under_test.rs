//! [`BackendUnderTest`]: what the suite asks of a backend.

#![expect(
    unsafe_code,
    reason = "`fork_watchable`, which a broken backend replaces"
)]

use std::convert::Infallible;
use std::io;
use std::process::{Child, Command};
use std::time::Duration;

use childwatch_core::{ExitCallback, Pid, PidWatcher, PidWatcherExt, WatchError, WatchHandle};

use super::feature::Feature;
use crate::kit::child::{Nursery, RealNursery};
use crate::kit::driven::Driven;

/// A backend that the suite can run against.
///
/// # A backend without a thread
///
/// A watcher with a driver is a backend of its own, beside the one with a thread:
///
/// ```
/// use childwatch_core::{PidWatcher, SimulatedProcesses, SimulatedWatcher, WatchError};
/// use childwatch_ptrace_free_tests::kit::driven::Driven;
/// use childwatch_ptrace_free_tests::kit::looped::Loop;
/// use childwatch_ptrace_free_tests::{BackendUnderTest, Feature};
///
/// struct MyDriven;
///
/// impl BackendUnderTest for MyDriven {
///     fn name(&self) -> &'static str {
///         "mine-driven"
///     }
///
///     /// For most cases, a loop of the suite drives the watcher.
///     fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
///         Loop::start(self.driven()?)
///     }
///
///     /// For the cases of drivers, both halves of a new watcher.
///     fn driven(&self) -> Result<Driven, WatchError> {
///         Ok(Driven::new(SimulatedWatcher::driven(&SimulatedProcesses::new())?))
///     }
///
///     fn offers(&self, feature: Feature) -> Result<(), String> {
///         match feature {
///             Feature::Driver | Feature::SignalsLeft => Ok(()),
///             Feature::NoThread => Err("the loop that drives it is a thread".to_owned()),
///             Feature::OwnThread => Err("the program drives it".to_owned()),
///             // Everything else is as with the backend that has a thread.
///             _ => Err("nobody has tried it".to_owned()),
///         }
///     }
/// }
/// ```
///
/// - It offers [`Feature::Driver`], and neither [`Feature::OwnThread`] nor [`Feature::NoThread`].
/// - It offers [`Feature::SignalsLeft`]. No thread of the backend takes a `SIGCHLD` that all threads
///   of the program block. So a backend that listens to `SIGCHLD` does not offer
///   [`Feature::BlockedSignals`].
/// - `watcher_with_usage` and `watcher_until_reaped` start a [`Loop`](crate::kit::looped::Loop) too.
pub trait BackendUnderTest: Sync {
    /// A short name. The matrix and the command line use it.
    fn name(&self) -> &'static str;

    /// A new watcher.
    ///
    /// # Errors
    ///
    /// What the backend's own constructor answers.
    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError>;

    /// A new watcher that returns the resource usage of each child. It is called only if the
    /// backend offers [`Feature::ResourceUsage`].
    ///
    /// # Errors
    ///
    /// The error of the backend's own constructor.
    fn watcher_with_usage(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        Err(WatchError::Unsupported {
            operation: "resource usage",
            pid: None,
            source: io::ErrorKind::Unsupported.into(),
        })
    }

    /// A new watcher that tells when a process has been reaped (C21). It is called only if the
    /// backend offers [`Feature::UntilReaped`].
    ///
    /// # Errors
    ///
    /// The error of the backend's own constructor.
    fn watcher_until_reaped(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        Err(WatchError::Unsupported {
            operation: "reapings",
            pid: None,
            source: io::ErrorKind::Unsupported.into(),
        })
    }

    /// A new watcher without a thread, and its driver. It is called only if the backend offers
    /// [`Feature::Driver`].
    ///
    /// # Errors
    ///
    /// The error of the backend's own constructor.
    fn driven(&self) -> Result<Driven, WatchError> {
        Err(WatchError::Unsupported {
            operation: "a driver",
            pid: None,
            source: io::ErrorKind::Unsupported.into(),
        })
    }

    /// Whether the backend works at all on this kernel and in this sandbox, and has
    /// what it takes now; the reason if not. All its cases are unsupported then, but
    /// those that need no more than [`AnAnswer`](super::need::Need::AnAnswer). Unsupported cases
    /// are no failure, so where the backend should work, look at how many cases have passed.
    ///
    /// # Errors
    ///
    /// Returns the reason, which the report shows.
    fn is_available(&self) -> Result<(), String> {
        Ok(())
    }

    /// Returns `Ok` if the backend offers what a case needs of it, on this kernel and in this
    /// sandbox. The process that runs a case asks, in the sandbox.
    ///
    /// # Errors
    ///
    /// Returns the reason, which the report shows.
    fn offers(&self, feature: Feature) -> Result<(), String>;

    /// Where the processes come from. The default forks real ones.
    fn nursery(&self) -> Box<dyn Nursery> {
        Box::new(RealNursery)
    }

    /// How the backend tells a number's next process from the last: by the time of its start,
    /// in units of this much, when it is registered. The backend may take two processes of one
    /// unit for the same process. That includes a process that is never registered. Zero, the
    /// default: by something that no two processes share.
    fn unit_of_start_times(&self) -> Duration {
        Duration::ZERO
    }

    /// [`PidWatcherExt::spawn_watchable`]. A suite that tests a broken version overrides this
    /// method.
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

    /// [`PidWatcherExt::spawn_watched`]. A suite that tests a broken version overrides this
    /// method.
    ///
    /// # Errors
    ///
    /// As the extension's.
    fn spawn_watched(
        &self,
        watcher: &dyn PidWatcher,
        command: &mut Command,
        callback: ExitCallback,
    ) -> io::Result<(Child, WatchHandle)> {
        watcher.spawn_watched(command, callback)
    }

    /// [`PidWatcherExt::fork_watchable`]. A suite that tests a broken version overrides this
    /// method.
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
