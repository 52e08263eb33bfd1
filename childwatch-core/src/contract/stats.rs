//! [`WatcherStats`]: what a watcher counts.

/// A snapshot of what a watcher counts, from [`PidWatcher::stats`](crate::PidWatcher::stats).
///
/// It is for logs and metrics. The numbers of processes and callbacks are those of one moment. The
/// other numbers are counted elsewhere, so they may be those of a moment before.
///
/// A number that is `None` does not exist for the watcher's source: pidfds have no sweeps. More
/// numbers may be added. A watcher that is not of this project begins with
/// `WatcherStats::default()`.
///
/// # Examples
///
/// ```
/// use std::os::unix::process::ExitStatusExt;
/// use std::process::ExitStatus;
/// use childwatch_core::{PidWatcher, PidWatcherExt, SimulatedProcesses, SimulatedWatcher};
///
/// let processes = SimulatedProcesses::new();
/// let (watcher, mut driver) = SimulatedWatcher::driven(&processes)?;
/// let pid = processes.spawn();
/// watcher.on_exit(pid, |_| ())?;
/// let stats = watcher.stats().unwrap();
/// assert_eq!((stats.watched, stats.callbacks_pending, stats.callbacks_run), (1, 1, 0));
///
/// processes.exit(pid, ExitStatus::from_raw(0));
/// driver.drive(None)?;
/// let stats = watcher.stats().unwrap();
/// assert_eq!((stats.watched, stats.callbacks_pending, stats.callbacks_run), (0, 0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatcherStats {
    /// How many processes are registered now. A registration without a hold ends when its last
    /// callback begins to run.
    pub watched: u64,
    /// How many callbacks are registered now and have not begun to run.
    pub callbacks_pending: u64,
    /// How many callbacks have begun to run, in the life of the watcher. One of them may be running
    /// now.
    pub callbacks_run: u64,
    /// How many callbacks have panicked, in the life of the watcher. They are also among
    /// `callbacks_run`.
    pub callbacks_panicked: u64,
    /// How many processes the secondary of a [`FallbackWatcher`](crate::FallbackWatcher) watches
    /// now.
    pub watched_by_secondary: Option<u64>,
    /// How many sweeps over all watched children have ended, in the life of the watcher, heartbeats
    /// among them (`SIGCHLD` only).
    pub sweeps: Option<u64>,
    /// How many signals the watcher has taken in, in its life (`SIGCHLD` only). The kernel merges
    /// signals, so there may be fewer than exits. Signals of children that are not watched, and of
    /// children that stop, are among them.
    pub signals: Option<u64>,
}
