//! [`SimulatedProcesses`]: what a test does to its processes.

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitStatus;
use std::sync::Arc;

use rustix::io::Errno;

use super::inbox::{Inbox, lock};
use crate::contract::error::WatchError;
use crate::contract::pid::Pid;
use crate::contract::resource_usage::ResourceUsage;
use crate::platform::sync::Mutex;
use crate::source::report::Report;
use crate::source::token::Token;

/// Processes that exist only in memory. A test spawns them and lets them exit. Clones are the
/// same processes.
#[derive(Clone, Debug, Default)]
pub struct SimulatedProcesses(pub(super) Arc<Mutex<Table>>);

#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) by_pid: BTreeMap<Pid, Process>,
    /// How many processes there have been. It distinguishes processes that have had one pid.
    spawned: u64,
    /// What the next registration of a pid is answered.
    pub(super) refusals: BTreeMap<Pid, WatchError>,
}

#[derive(Debug)]
pub(super) struct Process {
    pub(super) birth: u64,
    pub(super) status: Option<ExitStatus>,
    pub(super) usage: Option<ResourceUsage>,
    pub(super) watched: Vec<Watched>,
    /// Those that it has got while it lived.
    signals: Vec<i32>,
    reaction: Option<Reaction>,
}

type React = dyn Fn(&SimulatedProcesses, Pid, i32) + Send + Sync;

#[derive(Clone)]
struct Reaction(Arc<React>);

impl fmt::Debug for Reaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reaction").finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) struct Watched {
    pub(super) token: Token,
    pub(super) inbox: Arc<Inbox>,
}

impl SimulatedProcesses {
    /// Returns an empty set of processes.
    #[must_use]
    pub fn new() -> Self {
        SimulatedProcesses::default()
    }

    /// Spawns a live process. It gets the lowest pid from 1000 on that is free, so the pid of a
    /// reaped process is reused at once. The pid of the program itself is left out.
    ///
    /// # Panics
    ///
    /// If all 2³¹ pids are taken.
    #[must_use]
    pub fn spawn(&self) -> Pid {
        let mut table = lock(&self.0);
        let pid = (1000..=i32::MAX)
            .filter_map(|raw| Pid::try_from(raw).ok())
            .find(|pid| !table.by_pid.contains_key(pid) && u32::from(*pid) != std::process::id())
            .expect("fewer than 2^31 simulated processes fit in memory");
        table.insert(pid);
        pid
    }

    /// Spawns a live process with this pid, if the pid is free. Returns `false` if it is not. A
    /// test reuses a pid in this way.
    pub fn spawn_with_pid(&self, pid: Pid) -> bool {
        let mut table = lock(&self.0);
        let is_free = !table.by_pid.contains_key(&pid);
        if is_free {
            table.insert(pid);
        }
        is_free
    }

    /// Lets a live process exit. It is a zombie until it is [reaped](Self::reap). If there is no
    /// live process with this pid, nothing happens, and the call returns `false`.
    pub fn exit(&self, pid: Pid, status: ExitStatus) -> bool {
        self.exit_with(pid, status, None)
    }

    /// As [`exit`](Self::exit), with the [resource usage](crate::Exit::resource_usage) that every
    /// watcher of the process then returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::ExitStatus;
    /// use childwatch_core::{PidWatcher, ResourceUsage, SimulatedProcesses, SimulatedWatcher};
    ///
    /// let processes = SimulatedProcesses::new();
    /// let watcher = SimulatedWatcher::new(&processes)?;
    /// let pid = processes.spawn();
    /// let mut usage = ResourceUsage::default();
    /// usage.max_resident = 64 << 20;
    /// processes.exit_with_resource_usage(pid, ExitStatus::default(), usage);
    /// let exit = watcher.try_wait(pid)?.unwrap();
    /// assert_eq!(exit.resource_usage(), Some(usage));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn exit_with_resource_usage(
        &self,
        pid: Pid,
        status: ExitStatus,
        usage: ResourceUsage,
    ) -> bool {
        self.exit_with(pid, status, Some(usage))
    }

    fn exit_with(&self, pid: Pid, status: ExitStatus, usage: Option<ResourceUsage>) -> bool {
        let mut table = lock(&self.0);
        let Some(process) = table.by_pid.get_mut(&pid) else {
            return false;
        };
        if process.status.is_some() {
            return false;
        }
        process.status = Some(status);
        process.usage = usage;
        process.report(Some(status), usage);
        true
    }

    /// Lets a live process exit and be reaped at once, by somebody else or by the kernel. The pid is
    /// free then. Watchers report the exit with this status, or without one if it is `None`, as real
    /// watchers do if the kernel does not tell it any more. If there is no live process with this
    /// pid, nothing happens, and the call returns `false`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use childwatch_core::{PidWatcherExt, SimulatedProcesses, SimulatedWatcher};
    ///
    /// let processes = SimulatedProcesses::new();
    /// let (watcher, mut driver) = SimulatedWatcher::driven(&processes)?;
    /// let pid = processes.spawn();
    /// watcher.on_exit(pid, |exit| assert_eq!(exit.status(), None))?;
    /// processes.exit_reaped(pid, None);
    /// assert_eq!(driver.drive(None)?, 1);
    /// # Ok::<(), childwatch_core::WatchError>(())
    /// ```
    pub fn exit_reaped(&self, pid: Pid, status: impl Into<Option<ExitStatus>>) -> bool {
        let status = status.into();
        let mut table = lock(&self.0);
        let is_live = |process: &Process| process.status.is_none();
        if !table.by_pid.get(&pid).is_some_and(is_live) {
            return false;
        }
        let process = table.by_pid.remove(&pid);
        if let Some(process) = &process {
            process.report(status, None);
        }
        drop(table);
        // Outside the lock: its reaction may have captured anything.
        drop(process);
        true
    }

    /// Lets the next registration of this pid fail with this error, whatever the process does. The
    /// one after that is answered as usual. A test of how a program stands a refusal uses it.
    ///
    /// # Examples
    ///
    /// ```
    /// use childwatch_core::{PidWatcher, SimulatedProcesses, SimulatedWatcher, WatchError};
    ///
    /// let processes = SimulatedProcesses::new();
    /// let watcher = SimulatedWatcher::new(&processes)?;
    /// let pid = processes.spawn();
    /// processes.refuse_registration(pid, WatchError::NotAChild { pid, source: None });
    /// assert!(matches!(watcher.register_pid(pid), Err(WatchError::NotAChild { .. })));
    /// watcher.register_pid(pid)?;
    /// # Ok::<(), WatchError>(())
    /// ```
    pub fn refuse_registration(&self, pid: Pid, error: WatchError) {
        let former = lock(&self.0).refusals.insert(pid, error);
        // Outside the lock: its source may be anything.
        drop(former);
    }

    /// Reaps a zombie, as `waitpid` does, and returns its status. The pid is free then. If there
    /// is no zombie with this pid, returns `None`.
    pub fn reap(&self, pid: Pid) -> Option<ExitStatus> {
        let mut table = lock(&self.0);
        let status = table.by_pid.get(&pid)?.status?;
        let process = table.by_pid.remove(&pid);
        drop(table);
        // Outside the lock: its reaction may have captured anything.
        drop(process);
        Some(status)
    }

    /// Sets what happens when a process gets a signal: a test may let it
    /// [exit](Self::exit). Without a reaction nothing happens. If there is no process with this
    /// pid, the call returns `false`.
    ///
    /// The closure gets these processes, the pid and the signal. It runs on the thread that sends
    /// the signal, inside the call and after the signal has been recorded. No lock is held.
    ///
    /// # Examples
    ///
    /// [`PidWatcher::send_signal`](crate::PidWatcher::send_signal) has one.
    pub fn on_signal(
        &self,
        pid: Pid,
        reaction: impl Fn(&SimulatedProcesses, Pid, i32) + Send + Sync + 'static,
    ) -> bool {
        let reaction = Reaction(Arc::new(reaction));
        let former = match lock(&self.0).by_pid.get_mut(&pid) {
            Some(process) => process.reaction.replace(reaction),
            None => return false,
        };
        // Outside the lock: it may have captured anything.
        drop(former);
        true
    }

    /// Returns the signals that the process with this pid has got, in their order. A zombie gets
    /// none, and the signal 0 is none.
    #[must_use]
    pub fn signals(&self, pid: Pid) -> Vec<i32> {
        let table = lock(&self.0);
        let process = table.by_pid.get(&pid);
        process.map_or_else(Vec::new, |process| process.signals.clone())
    }

    /// Sends a signal to the process with this pid, if it is the one of this birth.
    pub(super) fn send_signal(&self, pid: Pid, birth: u64, signal: i32) -> Result<(), WatchError> {
        /// The largest number of a signal on Linux.
        const LAST: i32 = 64;
        let reaction = {
            let mut table = lock(&self.0);
            let process = table.by_pid.get_mut(&pid);
            let Some(process) = process.filter(|process| process.birth == birth) else {
                return Err(WatchError::NoSuchProcess { pid, source: None });
            };
            if !(0..=LAST).contains(&signal) {
                return Err(WatchError::Os {
                    operation: "sending a simulated signal",
                    pid: Some(pid),
                    source: Errno::INVAL.into(),
                });
            }
            if process.status.is_some() || signal == 0 {
                return Ok(());
            }
            process.signals.push(signal);
            process.reaction.clone()
        };
        if let Some(Reaction(react)) = reaction {
            react(self, pid, signal);
        }
        Ok(())
    }

    /// Returns how many registrations all watchers of these processes have. It is for tests that
    /// look for leaks.
    #[must_use]
    pub fn registration_count(&self) -> usize {
        lock(&self.0)
            .by_pid
            .values()
            .map(|process| process.watched.len())
            .sum()
    }
}

impl Table {
    fn insert(&mut self, pid: Pid) {
        self.spawned += 1;
        self.by_pid.insert(
            pid,
            Process {
                birth: self.spawned,
                status: None,
                usage: None,
                watched: Vec::new(),
                signals: Vec::new(),
                reaction: None,
            },
        );
    }
}

impl Process {
    fn report(&self, status: Option<ExitStatus>, usage: Option<ResourceUsage>) {
        for Watched { token, inbox } in &self.watched {
            inbox.put(Report::new(*token, status).with_resource_usage(usage.map(Box::new)));
        }
    }

    /// Ends those watches of one watcher that `which` picks.
    pub(super) fn forget(&mut self, inbox: &Arc<Inbox>, which: impl Fn(Token) -> bool) {
        self.watched
            .retain(|watched| !(Arc::ptr_eq(&watched.inbox, inbox) && which(watched.token)));
    }
}
