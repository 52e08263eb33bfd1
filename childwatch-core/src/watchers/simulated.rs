//! [`SimulatedWatcher`]: a test double whose processes exist only in memory.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitStatus;
use std::sync::{Arc, PoisonError};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use crate::contract::delegate::delegate_pid_watcher;
use crate::contract::error::WatchError;
use crate::contract::pid::Pid;
use crate::contract::resource_usage::ResourceUsage;
use crate::engine::driven::DrivenWatcher;
use crate::engine::driver::Driver;
use crate::engine::threaded::ThreadedWatcher;
use crate::platform::sync::{Condvar, Mutex, MutexGuard};
use crate::source::descriptors::make_descriptor;
use crate::source::exit_source::ExitSource;
use crate::source::pollable::PollableSource;
use crate::source::report::Report;
use crate::source::token::Token;

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

/// Processes that exist only in memory. A test spawns them and lets them exit. Clones are the
/// same processes.
#[derive(Clone, Debug, Default)]
pub struct SimulatedProcesses(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    by_pid: BTreeMap<Pid, Process>,
    /// How many processes there have been. It distinguishes processes that have had one pid.
    spawned: u64,
    /// What the next registration of a pid is answered.
    refusals: BTreeMap<Pid, WatchError>,
}

#[derive(Debug)]
struct Process {
    birth: u64,
    status: Option<ExitStatus>,
    usage: Option<ResourceUsage>,
    watched: Vec<Watched>,
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
struct Watched {
    token: Token,
    inbox: Arc<Inbox>,
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
    fn send_signal(&self, pid: Pid, birth: u64, signal: i32) -> Result<(), WatchError> {
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
}

#[derive(Debug)]
pub(crate) struct SimulatedSource {
    table: Arc<Mutex<Table>>,
    inbox: Arc<Inbox>,
}

/// The mail for the watcher's thread, which waits for it.
#[derive(Debug, Default)]
struct Inbox {
    mail: Mutex<Mail>,
    came: Condvar,
    /// Readable when mail has come since it was read last. `None` if a thread waits on `came`.
    bell: Option<Arc<OwnedFd>>,
}

#[derive(Debug, Default)]
struct Mail {
    reports: Vec<Report>,
    is_woken: bool,
    armed: HashMap<Token, Armed>,
}

#[derive(Clone, Copy, Debug)]
struct Armed {
    pid: Pid,
    birth: u64,
    /// Set when the exit is reported, and kept when the process is reaped.
    has_exited: bool,
    /// Set with `has_exited`.
    status: Option<ExitStatus>,
    /// Set with `has_exited`.
    usage: Option<ResourceUsage>,
}

impl Inbox {
    fn put(&self, report: Report) {
        let mut mail = lock(&self.mail);
        if let Some(armed) = mail.armed.get_mut(&report.token) {
            armed.has_exited = true;
            armed.status = report.status;
            armed.usage = report.usage.as_deref().copied();
        }
        mail.reports.push(report);
        drop(mail);
        // Mail whose bell is refused by a sandbox is taken at the next look.
        let _ = self.ring();
    }

    fn ring(&self) -> io::Result<()> {
        if let Some(bell) = &self.bell {
            rustix::io::write(bell, &1_u64.to_ne_bytes())?;
        }
        self.came.notify_one();
        Ok(())
    }
}

impl SimulatedSource {
    pub(crate) fn new(processes: &SimulatedProcesses) -> Self {
        Self::with_inbox(processes, Inbox::default())
    }

    fn with_inbox(processes: &SimulatedProcesses, inbox: Inbox) -> Self {
        SimulatedSource {
            table: Arc::clone(&processes.0),
            inbox: Arc::new(inbox),
        }
    }
}

impl ExitSource for SimulatedSource {
    type Waiter = ();

    const THREAD_NAME: &'static str = "childwatch-sim";

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        let mut table = lock(&self.table);
        if let Some(refusal) = table.refusals.remove(&pid) {
            return Err(refusal);
        }
        let Some(process) = table.by_pid.get_mut(&pid) else {
            return Err(absent(pid));
        };
        process.watched.push(Watched {
            token,
            inbox: Arc::clone(&self.inbox),
        });
        let armed = Armed {
            pid,
            birth: process.birth,
            has_exited: false,
            status: None,
            usage: None,
        };
        lock(&self.inbox.mail).armed.insert(token, armed);
        if process.status.is_some() {
            let report = Report::new(token, process.status);
            self.inbox
                .put(report.with_resource_usage(process.usage.map(Box::new)));
        }
        Ok(())
    }

    fn disarm(&self, token: Token) {
        let armed = lock(&self.inbox.mail).armed.remove(&token);
        let Some(Armed { pid, birth, .. }) = armed else {
            return;
        };
        let mut table = lock(&self.table);
        if let Some(process) = table.by_pid.get_mut(&pid) {
            if process.birth == birth {
                process.forget(&self.inbox, |watched| watched == token);
            }
        }
    }

    fn is_reaped(&self, token: Token) -> bool {
        let armed = lock(&self.inbox.mail).armed.get(&token).copied();
        let table = lock(&self.table);
        armed.is_none_or(|Armed { pid, birth, .. }| {
            table
                .by_pid
                .get(&pid)
                .is_none_or(|process| process.birth != birth)
        })
    }

    fn look(&self, token: Token) -> Option<Report> {
        let armed = *lock(&self.inbox.mail).armed.get(&token)?;
        let usage = armed.usage.map(Box::new);
        let report = Report::new(token, armed.status).with_resource_usage(usage);
        armed.has_exited.then_some(report)
    }

    fn send_signal(&self, pid: Pid, token: Token, signal: i32) -> Result<(), WatchError> {
        let armed = lock(&self.inbox.mail).armed.get(&token).copied();
        let Armed { birth, .. } = armed.ok_or(WatchError::NotRegistered { pid })?;
        SimulatedProcesses(Arc::clone(&self.table)).send_signal(pid, birth, signal)
    }

    fn wait(&self, _waiter: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        let mut mail = lock(&self.inbox.mail);
        while mail.reports.is_empty() && !mail.is_woken {
            mail = self
                .inbox
                .came
                .wait(mail)
                .unwrap_or_else(PoisonError::into_inner);
        }
        mail.is_woken = false;
        reports.append(&mut mail.reports);
        Ok(())
    }

    fn wake(&self) -> io::Result<()> {
        lock(&self.inbox.mail).is_woken = true;
        self.inbox.ring()
    }
}

/// The source of a watcher without a thread: see [`SimulatedWatcher::driven`].
#[derive(Debug)]
pub struct PollableSimulatedSource {
    source: SimulatedSource,
    bell: Arc<OwnedFd>,
}

impl PollableSimulatedSource {
    fn new(processes: &SimulatedProcesses) -> Result<Self, WatchError> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let bell = Arc::new(make_descriptor("eventfd2", || eventfd(0, flags))?);
        let inbox = Inbox {
            bell: Some(Arc::clone(&bell)),
            ..Inbox::default()
        };
        let source = SimulatedSource::with_inbox(processes, inbox);
        Ok(PollableSimulatedSource { source, bell })
    }
}

impl ExitSource for PollableSimulatedSource {
    type Waiter = ();

    const THREAD_NAME: &'static str = SimulatedSource::THREAD_NAME;

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        self.source.arm(pid, token)
    }

    fn disarm(&self, token: Token) {
        self.source.disarm(token);
    }

    fn is_reaped(&self, token: Token) -> bool {
        self.source.is_reaped(token)
    }

    fn look(&self, token: Token) -> Option<Report> {
        self.source.look(token)
    }

    fn send_signal(&self, pid: Pid, token: Token, signal: i32) -> Result<(), WatchError> {
        self.source.send_signal(pid, token, signal)
    }

    fn wait(&self, waiter: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        self.source.wait(waiter, reports)
    }

    fn wake(&self) -> io::Result<()> {
        self.source.wake()
    }
}

impl PollableSource for PollableSimulatedSource {
    fn descriptor<'a>(&'a self, _waiter: &'a ()) -> BorrowedFd<'a> {
        self.bell.as_fd()
    }

    fn collect(&self, _waiter: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        // First the bell: what comes after this rings it again.
        match rustix::io::read(&self.bell, &mut [0; 8]) {
            Ok(_) | Err(Errno::AGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut mail = lock(&self.source.inbox.mail);
        mail.is_woken = false;
        reports.append(&mut mail.reports);
        Ok(())
    }
}

/// The error for a pid that no simulated process has. A real watcher refuses the pid of its own
/// process by another error, so this one does too.
fn absent(pid: Pid) -> WatchError {
    if pid.as_raw().unsigned_abs() == std::process::id() {
        WatchError::OwnProcess { pid }
    } else {
        WatchError::NoSuchProcess { pid, source: None }
    }
}

impl Drop for SimulatedSource {
    fn drop(&mut self) {
        for process in lock(&self.table).by_pid.values_mut() {
            process.forget(&self.inbox, |_| true);
        }
    }
}

impl Process {
    /// Ends those watches of one watcher that `which` picks.
    fn forget(&mut self, inbox: &Arc<Inbox>, which: impl Fn(Token) -> bool) {
        self.watched
            .retain(|watched| !(Arc::ptr_eq(&watched.inbox, inbox) && which(watched.token)));
    }
}

/// The lock of the table is taken before that of a mailbox, never after. No other lock is taken
/// under either, and no code that can panic runs there.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;
    use crate::contract::watcher::PidWatcher;

    fn pid(raw: i32) -> Pid {
        Pid::try_from(raw).unwrap()
    }

    #[test]
    fn a_process_takes_the_lowest_free_number_or_the_one_it_is_given() {
        let processes = SimulatedProcesses::new();
        let mut free = (1000..)
            .map(pid)
            .filter(|pid| u32::from(*pid) != std::process::id());
        assert_eq!(Some(processes.spawn()), free.next());
        let given = free.next().unwrap();
        assert!(processes.spawn_with_pid(given));
        assert_eq!(Some(processes.spawn()), free.next());
        assert!(!processes.spawn_with_pid(given), "it is taken");
    }

    #[test]
    fn a_process_exits_once_and_is_reaped_once() {
        let processes = SimulatedProcesses::new();
        let (three, nine) = (ExitStatus::from_raw(3 << 8), ExitStatus::from_raw(9));
        assert!(!processes.exit(pid(1000), three), "there is none");
        let child = processes.spawn();
        assert_eq!(processes.reap(child), None, "it lives");
        assert!(processes.exit(child, three));
        assert!(!processes.exit(child, nine), "it is dead");
        assert!(!processes.spawn_with_pid(child), "a zombie has its number");
        assert_eq!(processes.reap(child), Some(three));
        assert_eq!(processes.reap(child), None);
        assert_eq!(processes.spawn(), child, "the number is free");
    }

    #[test]
    fn signals_are_recorded_while_the_process_lives_and_answered_without_a_lock() {
        let processes = SimulatedProcesses::new();
        let watcher = SimulatedWatcher::new(&processes).unwrap();
        let child = processes.spawn();
        assert!(!processes.on_signal(pid(1), |_, _, _| ()), "there is none");
        watcher.register_pid(child).unwrap();
        watcher.send_signal(child, 1).unwrap();
        assert!(processes.on_signal(child, |processes, pid, signal| {
            assert_eq!(processes.signals(pid), [1, signal]);
            assert!(processes.exit(pid, ExitStatus::from_raw(signal)));
        }));
        watcher.send_signal(child, 0).unwrap();
        watcher.send_signal(child, 15).unwrap();
        // It is a zombie now.
        watcher.send_signal(child, 9).unwrap();
        assert_eq!(processes.signals(child), [1, 15]);
        assert_eq!(processes.reap(child), Some(ExitStatus::from_raw(15)));
        assert!(processes.spawn_with_pid(child));
        let refused = watcher.send_signal(child, 9);
        assert!(matches!(refused, Err(WatchError::NoSuchProcess { .. })));
        assert_eq!(processes.signals(child), []);
    }

    #[test]
    fn the_own_process_is_absent_in_its_own_way_unless_its_number_is_simulated() {
        let processes = SimulatedProcesses::new();
        let watcher = SimulatedWatcher::new(&processes).unwrap();
        let own = Pid::try_from(std::process::id()).unwrap();
        let refused = watcher.register_pid(own);
        assert!(matches!(refused, Err(WatchError::OwnProcess { pid }) if pid == own));
        let refused = watcher.register_pid(pid(i32::MAX));
        assert!(matches!(refused, Err(WatchError::NoSuchProcess { .. })));
        assert!(processes.spawn_with_pid(own));
        assert!(watcher.register_pid(own).is_ok());
    }

    #[test]
    fn registrations_are_counted_over_all_watchers_until_they_go() {
        let processes = SimulatedProcesses::new();
        let watchers = [(); 2].map(|()| SimulatedWatcher::new(&processes).unwrap());
        let children = [processes.spawn(), processes.spawn()];
        for watcher in &watchers {
            for child in children {
                watcher.register_pid(child).unwrap();
            }
        }
        assert_eq!(processes.registration_count(), 4);
        let [first, second] = watchers;
        first.unregister_pid(children[0]);
        assert_eq!(processes.registration_count(), 3);
        drop(second);
        assert_eq!(processes.registration_count(), 1);
    }

    #[test]
    fn a_former_process_is_disarmed_and_the_numbers_next_one_is_not() {
        let processes = SimulatedProcesses::new();
        let source = SimulatedSource::new(&processes);
        let child = processes.spawn();
        let (old, new) = (Token::from_parts(0, 0), Token::from_parts(1, 0));
        source.arm(child, old).unwrap();
        assert!(!source.is_reaped(old));
        assert!(processes.exit(child, ExitStatus::from_raw(0)));
        assert!(!source.is_reaped(old), "it is a zombie");
        assert!(processes.reap(child).is_some());
        assert!(source.is_reaped(old));

        assert!(processes.spawn_with_pid(child));
        source.arm(child, new).unwrap();
        assert!(source.is_reaped(old));
        assert!(!source.is_reaped(new));
        source.disarm(old);
        assert_eq!(processes.registration_count(), 1);
        source.disarm(new);
        assert_eq!(processes.registration_count(), 0);
        assert!(source.is_reaped(new), "it is not armed");
    }
}
