//! [`SimulatedWatcher`]: a test double whose processes exist only in memory.

use crate::contract::delegate::delegate_pid_watcher;
use crate::contract::error::WatchError;
use crate::engine::driven::DrivenWatcher;
use crate::engine::driver::Driver;
use crate::engine::threaded::ThreadedWatcher;

mod inbox;
mod processes;
mod source;
#[cfg(test)]
mod tests;

pub use processes::SimulatedProcesses;
pub use source::PollableSimulatedSource;
pub(crate) use source::SimulatedSource;

/// A [`PidWatcher`](crate::PidWatcher) over [`SimulatedProcesses`], for tests of code that
/// supervises processes.
///
/// A simulated process may have any pid, that of the test itself too. A pid that none has is
/// refused as a real watcher refuses it.
///
/// The watcher has the real engine with its thread. For the clauses that need no kernel, it
/// passes the same conformance suite as the backends. So code that works with it works with them.
///
/// # Examples
///
/// ```
/// use std::os::unix::process::ExitStatusExt;
/// use std::process::ExitStatus;
/// use std::time::Duration;
/// use childwatch_core::{PidWatcherExt, SimulatedProcesses, SimulatedWatcher};
///
/// let processes = SimulatedProcesses::new();
/// let watcher = SimulatedWatcher::new(&processes)?;
/// let pid = processes.spawn();
/// processes.exit(pid, ExitStatus::from_raw(9)); // killed by signal 9
///
/// let exit = watcher.wait_timeout(pid, Duration::from_secs(60))?.unwrap();
/// assert_eq!(exit.status().unwrap().signal(), Some(9));
/// assert!(processes.reap(pid).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SimulatedWatcher(ThreadedWatcher<SimulatedSource>);

impl SimulatedWatcher {
    /// Starts a watcher of these processes. Several watchers may watch the same process.
    ///
    /// # Errors
    ///
    /// [`ResourceLimit`](WatchError::ResourceLimit),
    /// [`Unsupported`](WatchError::Unsupported) or [`Os`](WatchError::Os) if the thread cannot
    /// be started.
    pub fn new(processes: &SimulatedProcesses) -> Result<Self, WatchError> {
        ThreadedWatcher::start(SimulatedSource::new(processes), ()).map(SimulatedWatcher)
    }

    /// Makes a watcher of these processes without a thread, and its driver. It is for tests of
    /// code that has a loop of its own.
    ///
    /// # Errors
    ///
    /// [`ResourceLimit`](WatchError::ResourceLimit),
    /// [`Unsupported`](WatchError::Unsupported) or [`Os`](WatchError::Os) if there is no
    /// descriptor (an eventfd) for the driver.
    pub fn driven(processes: &SimulatedProcesses) -> Result<Driven, WatchError> {
        let source = PollableSimulatedSource::new(processes)?;
        Ok(DrivenWatcher::new(source, ()))
    }
}

type Driven = (
    DrivenWatcher<PollableSimulatedSource>,
    Driver<PollableSimulatedSource>,
);

delegate_pid_watcher!(impl for SimulatedWatcher, |this| this.0);
