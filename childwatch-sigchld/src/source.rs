//! [`SigchldSource`]: from signals to reports.
//!
//! ```text
//!  a child exits
//!    │ the kernel makes it a zombie, then sends SIGCHLD (or merges it into a pending one)
//!    ▼
//!  Inbox::signal          epoch + 1 · a hint: this pid, this status · notify
//!    │
//!    ▼                    the watcher's thread, in `wait`
//!  look_at_hinted         one waitid for each child that a hint names
//!    │
//!    ▼                    if an epoch is not answered, or at a heartbeat
//!  sweep_a_chunk          one waitid for each of the next 64 unreported children
//!    │
//!    ▼
//!  judge ──▶ Report       what the answers mean
//! ```
//!
//! # Why no exit is lost
//!
//! 1. `arm` reads the epoch, opens the inbox, inserts the entry, and only then looks
//!    at the child. So the look sees an exit that came before it.
//! 2. The kernel makes a child a zombie before it queues or merges the signal. So after
//!    each exit that sends `SIGCHLD` a run of the handler follows, which raises the epoch and then notifies.
//! 3. The thread reads the event count, then the epoch, and then waits on the event count.
//!    So it misses no notification. If an epoch is not answered, a sweep begins after a finite time.
//! 4. A sweep answers only the epoch that was read before its first look. An entry
//!    that is armed behind its cursor exits in a later epoch.
//! 5. A heartbeat finds an exit that no signal reports. Signals cannot postpone it.
//!
//! For example, two children exit, and the kernel merges the second signal into the first,
//! which is still pending. One run of the handler follows, with one hint. The first child is
//! looked at because of the hint, and `wait` returns with its report. No sweep has answered this
//! epoch, so a sweep is due. In a later call of `wait` it looks at the second child.
//!
//! # Why none is invented
//!
//! A hint alone is never an exit. It chooses which child to look at. If the zombie is gone, the
//! hint also provides the status. [`judge`](crate::look::judge) decides what a look means.
//!
//! # Progress
//!
//! Callbacks run between two calls of `wait`, and may cause ever more signals. So each
//! call begins with a chunk, if one is due, before it takes the next batch of hints. If the
//! callbacks took long, it makes as many chunks as fit into a twentieth of their time.

use std::cell::OnceCell;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use childwatch_core::source::clock::Ticks;
use childwatch_core::source::{Detail, Ended, ExitSource, Report, Token};
use childwatch_core::{Pid, WatchError, WatcherStats};

use crate::events;
use crate::kernel::{Kernel, Subscription};
use crate::listen::forwarder::Forwarder;
use crate::listen::inbox::Inbox;
use crate::listen::wire::Wire;
use crate::look::child::{self, Kinship, State};
use crate::look::judge::{Start, Verdict, judge, start};
use crate::schedule::{CHUNK, Chunk, LONGEST_COLLECT, SWEEP_SHARE, Schedule};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::table::{Candidate, HintedStatus, Known, Table, report_of};

/// The [`ExitSource`] behind [`SigchldWatcher`](crate::SigchldWatcher), for a
/// [`FallbackWatcher`](childwatch_core::FallbackWatcher).
pub struct SigchldSource {
    kernel: Kernel,
    signals: Signals,
    /// The armed children. While the lock is held, no system call is made, and nothing else is
    /// locked.
    table: Mutex<Table>,
    is_woken: AtomicBool,
    /// How many sweeps have ended. std's, because no model explores it.
    sweeps: std::sync::atomic::AtomicU64,
    /// `true` if a `waitid` of one child walks over all of them, so that `/proc` is asked first.
    asks_proc_first: bool,
    /// Set before a process is armed, or not at all.
    asks_for_usage: OnceLock<()>,
    /// Set once the source has found or installed the handler.
    has_handler: OnceLock<()>,
}

/// Where signals come from.
#[derive(Debug)]
pub(crate) enum Signals {
    /// From the handler, which is installed when the first child is armed.
    Handler(Subscription),
    /// From the program.
    Forwarder(Arc<Inbox>),
}

impl Deref for Signals {
    type Target = Inbox;

    fn deref(&self) -> &Inbox {
        match self {
            Signals::Handler(subscription) => subscription,
            Signals::Forwarder(inbox) => inbox,
        }
    }
}

/// The half of a [`SigchldSource`] that only the watcher's thread uses.
#[derive(Debug)]
pub struct SigchldWaiter {
    schedule: Schedule,
    /// `true` if the thread lets `SIGCHLD` through. At first the engine blocks it.
    lets_signal_through: bool,
    /// When the last wait ended.
    returned_at: Duration,
    candidates: Vec<Candidate>,
    states: Vec<State>,
    verdicts: Vec<Verdict>,
}

/// The result of asking whether a chunk is due.
enum Step {
    Swept,
    /// Nothing is due for this long. `None`: no exit is still to be reported, so nothing is due.
    Rest(Option<Duration>),
}

impl SigchldSource {
    /// Creates a source that watches nothing yet.
    ///
    /// It installs the handler of `SIGCHLD` when it arms its first child. The handler
    /// stays.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](WatchError::Unsupported) if the kernel or a sandbox does not allow
    /// to look at children or to read the disposition of `SIGCHLD`. If the handler cannot
    /// be installed, arming a child returns this error.
    pub fn new() -> Result<(Self, SigchldWaiter), WatchError> {
        let kernel = Kernel::new();
        let signals = Signals::Handler(kernel.subscribe());
        Self::over(kernel, signals)
    }

    /// Creates a source that installs no handler and changes no signal mask: the program
    /// passes `SIGCHLD` on through the [`Forwarder`].
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_forwarder() -> Result<((Self, SigchldWaiter), Forwarder), WatchError> {
        let inbox = Arc::new(Inbox::new());
        let forwarder = Forwarder::new(Arc::clone(&inbox));
        let source = Self::over(Kernel::new(), Signals::Forwarder(inbox))?;
        Ok((source, forwarder))
    }

    /// As [`new`](Self::new), but without heartbeats: an exit that no signal reports is
    /// never reported, and a reused pid is not noticed.
    ///
    /// It is for this project's tests, and not part of the public interface. A heartbeat
    /// finds within a second what a fault in this crate has lost, and so hides the fault.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    #[doc(hidden)]
    pub fn without_heartbeat_for_tests() -> Result<(Self, SigchldWaiter), WatchError> {
        let (source, mut waiter) = Self::new()?;
        waiter.schedule = Schedule::without_heartbeat(source.kernel.monotonic());
        Ok((source, waiter))
    }

    fn look_at(&self, pid: Pid) -> State {
        let detail = match self.asks_for_usage.get() {
            Some(()) => Detail::Usage,
            None => Detail::Status,
        };
        self.kernel.look(pid, detail)
    }

    pub(crate) fn over(
        kernel: Kernel,
        signals: Signals,
    ) -> Result<(Self, SigchldWaiter), WatchError> {
        kernel.check()?;
        let now = kernel.monotonic();
        let table = Table::new(signals.epoch());
        let source = SigchldSource {
            signals,
            table: Mutex::new(table),
            is_woken: AtomicBool::new(false),
            sweeps: std::sync::atomic::AtomicU64::new(0),
            asks_proc_first: kernel.walks_over_all(),
            asks_for_usage: OnceLock::new(),
            has_handler: OnceLock::new(),
            kernel,
        };
        let waiter = SigchldWaiter {
            schedule: Schedule::new(now),
            lets_signal_through: false,
            returned_at: now,
            candidates: Vec::new(),
            states: Vec::new(),
            verdicts: Vec::new(),
        };
        Ok((source, waiter))
    }
}

impl SigchldWaiter {
    /// A sandbox may refuse. Then heartbeats find the exits whose signals no thread takes.
    fn let_signal_through(
        &mut self,
        is_wanted: bool,
        set_blocked: impl FnOnce(bool) -> io::Result<()>,
    ) {
        if self.lets_signal_through != is_wanted && set_blocked(!is_wanted).is_ok() {
            self.lets_signal_through = is_wanted;
        }
    }
}

#[cfg(childwatch_loom)]
#[cfg(test)]
impl SigchldWaiter {
    /// Returns `true` if every signal has been answered.
    pub(crate) fn is_at_rest(&self, source: &SigchldSource) -> bool {
        let epoch = source.signals.epoch();
        !self.schedule.rest(Duration::ZERO, epoch).is_zero()
    }
}

impl ExitSource for SigchldSource {
    type Waiter = SigchldWaiter;

    const THREAD_NAME: &'static str = "childwatch-chld";

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        if let Signals::Handler(_) = self.signals {
            self.install_handler_for(pid)?;
        }
        // The order: see 1 of *Why no exit is lost* at the head of this file.
        let epoch = self.signals.epoch();
        let is_first = {
            let mut table = self.table();
            self.signals.open();
            let is_first = !table.has_unreported();
            table.insert(pid, token, epoch);
            is_first
        };
        if is_first {
            let _ = self.signals.event_count.notify();
        }
        match (self.look_at(pid), self.kernel.kinship(pid)) {
            (State::NotYet, Kinship::Child) => {
                // After the look, because the child had the pid by then.
                let armed_at = self.kernel.ticks();
                self.table().set_armed_at(token, armed_at);
                Ok(())
            }
            (State::Exited(ended), Kinship::Child) => {
                let armed_at = self.kernel.ticks();
                self.hand_over(|table| {
                    table.set_armed_at(token, armed_at);
                    table.report_ended(token, Some(ended))
                });
                Ok(())
            }
            (State::Refused(errno), _) => {
                self.disarm(token);
                Err(child::look_refused(pid, errno))
            }
            (State::Gone | State::NotYet | State::Exited(_), _) => {
                self.disarm(token);
                Err(self.kernel.not_a_child(pid))
            }
        }
    }

    fn disarm(&self, token: Token) {
        let is_last = {
            let mut table = self.table();
            let had_unreported = table.has_unreported();
            table.remove(token);
            if table.is_empty() {
                // `arm` opens the inbox under the same lock, so this cannot undo a later
                // arming.
                self.signals.close();
            }
            had_unreported && !table.has_unreported()
        };
        if is_last {
            // The thread gives the signal back to the program.
            let _ = self.signals.event_count.notify();
        }
    }

    fn is_reaped(&self, token: Token) -> bool {
        let known = self.table().known(token);
        match known {
            None => true,
            Some(Known::Unreported(candidate)) => self.report_if_reaped(candidate),
            Some(Known::Reported {
                pid,
                armed_at,
                ended,
                was_gone,
            }) => was_gone || self.is_other_than_reported(pid, armed_at, ended),
        }
    }

    fn send_signal(&self, pid: Pid, token: Token, signal: i32) -> Result<(), WatchError> {
        self.kernel.send_signal(pid, signal, || {
            match (
                self.kernel.look(pid, Detail::Status),
                self.kernel.kinship(pid),
            ) {
                (State::Refused(errno), _) => Err(child::look_refused(pid, errno)),
                (State::NotYet | State::Exited(_), Kinship::Child) if !self.is_reaped(token) => {
                    Ok(())
                }
                _ if self.table().known(token).is_none() => Err(WatchError::NotRegistered { pid }),
                _ => Err(WatchError::NoSuchProcess { pid, source: None }),
            }
        })
    }

    fn look(&self, token: Token) -> Option<Report> {
        let known = self.table().known(token)?;
        let ended = match known {
            Known::Reported { ended, .. } => ended,
            Known::Unreported(candidate) => self.look_at_one(candidate)?,
        };
        Some(report_of(token, ended))
    }

    fn ask_for_resource_usage(&self) {
        let _ = self.asks_for_usage.set(());
    }

    fn add_stats(&self, stats: &mut WatcherStats) {
        let signals = {
            let mut table = self.table();
            table.signals.count_to(self.signals.epoch());
            table.signals.total()
        };
        // Relaxed: the number publishes nothing else.
        let sweeps = self.sweeps.load(Ordering::Relaxed);
        *stats.signals.get_or_insert(0) += signals;
        *stats.sweeps.get_or_insert(0) += sweeps;
    }

    fn wait(&self, waiter: &mut SigchldWaiter, reports: &mut Vec<Report>) -> io::Result<()> {
        self.sweep_after_callbacks(waiter, reports);
        loop {
            // The order: see 3 of *Why no exit is lost* at the head of this file.
            let seen = self.signals.event_count.count();
            self.look_at_hinted(waiter, reports);
            let is_woken = self.is_woken.swap(false, Ordering::SeqCst);
            if is_woken || !reports.is_empty() {
                // This comes before a callback tells the program that the last child is gone. If
                // there are more, the thread goes on taking their signals. If it blocked the signal,
                // the engine would wait for another thread to take a pending one.
                if !self.table().has_unreported() {
                    self.let_signal_through(waiter, false);
                }
                // Before a callback can end the process.
                self.signals.await_deliveries();
                waiter.returned_at = self.kernel.monotonic();
                return Ok(());
            }
            match self.sweep_a_chunk_if_due(waiter, reports) {
                Step::Swept => {}
                Step::Rest(limit) => {
                    self.let_signal_through(waiter, limit.is_some());
                    self.signals.event_count.wait(seen, limit)?;
                }
            }
        }
    }

    fn wake(&self) -> io::Result<()> {
        // A swap as in `wait`. loom lets a store come between the two halves of a swap.
        self.is_woken.swap(true, Ordering::SeqCst);
        Ok(self.signals.event_count.notify()?)
    }
}

impl SigchldSource {
    /// Adds what other threads have found, and looks at each child that a hint names.
    fn look_at_hinted(&self, waiter: &mut SigchldWaiter, reports: &mut Vec<Report>) {
        {
            let mut table = self.table();
            table.take_hints(&self.signals);
            table.take_reports(reports);
            table.take_hinted(&mut waiter.candidates);
        }
        if !waiter.candidates.is_empty() {
            self.look_at_candidates(waiter, reports, |_| false);
        }
    }

    /// Makes at least one chunk of the sweep that is due, if one is.
    ///
    /// Callbacks have run since the last wait. If they took long, a sweep of many chunks
    /// with callbacks between them would take far longer. So the sweep gets its share of that
    /// time now.
    fn sweep_after_callbacks(&self, waiter: &mut SigchldWaiter, reports: &mut Vec<Report>) {
        let start = self.kernel.monotonic();
        let share = start.saturating_sub(waiter.returned_at) / SWEEP_SHARE;
        while let Step::Swept = self.sweep_a_chunk_if_due(waiter, reports) {
            if self.kernel.monotonic().saturating_sub(start) >= share {
                return;
            }
        }
    }

    /// Makes one chunk of the sweep that is due, if one is.
    fn sweep_a_chunk_if_due(&self, waiter: &mut SigchldWaiter, reports: &mut Vec<Report>) -> Step {
        let now = self.kernel.monotonic();
        let epoch = self.signals.epoch();
        match self.rest(waiter, now, epoch) {
            Some(Duration::ZERO) => {
                self.sweep_a_chunk(waiter, now, epoch, reports);
                Step::Swept
            }
            rest => Step::Rest(rest),
        }
    }

    /// How long nothing is due: `None` if no exit is still to be reported. `epoch` must
    /// have been read before this call.
    fn rest(&self, waiter: &mut SigchldWaiter, now: Duration, epoch: u32) -> Option<Duration> {
        if self.table().has_unreported() {
            Some(waiter.schedule.rest(now, epoch))
        } else {
            waiter.schedule.mark_idle(now);
            None
        }
    }

    /// Does what is due, without a wait, for a watcher without a thread. Returns the time of
    /// this call, and how long nothing is due after it.
    ///
    /// It is as [`wait`](ExitSource::wait), but it makes the chunks of a sweep for
    /// [`LONGEST_COLLECT`] at most, and at least one. It changes no mask.
    pub(crate) fn look_now(
        &self,
        waiter: &mut SigchldWaiter,
        reports: &mut Vec<Report>,
    ) -> (Duration, Option<Duration>) {
        let start = self.kernel.monotonic();
        // The time since the last call is the program's, and not only that of callbacks.
        waiter.returned_at = waiter
            .returned_at
            .max(start.saturating_sub(LONGEST_COLLECT * SWEEP_SHARE));
        self.sweep_after_callbacks(waiter, reports);
        let is_woken = self.is_woken.swap(false, Ordering::SeqCst);
        self.look_at_hinted(waiter, reports);
        if is_woken || !reports.is_empty() {
            // Before a callback can end the process.
            self.signals.await_deliveries();
        }
        let now = self.kernel.monotonic();
        waiter.returned_at = now;
        let epoch = self.signals.epoch();
        (now, self.rest(waiter, now, epoch))
    }

    /// Makes the descriptor that a program polls readable when a signal or a wake notifies the watcher.
    pub(crate) fn wire(&self) -> &Wire {
        &self.signals.event_count.wire
    }

    fn sweep_a_chunk(
        &self,
        waiter: &mut SigchldWaiter,
        now: Duration,
        epoch: u32,
        reports: &mut Vec<Report>,
    ) {
        let stopwatch = self.kernel.stopwatch();
        let cursor = waiter.schedule.begin_chunk(now, epoch);
        let cursor = {
            let mut table = self.table();
            table.signals.count_to(epoch);
            table.unreported_from(cursor, CHUNK, &mut waiter.candidates)
        };
        for candidate in &mut waiter.candidates {
            candidate.checks_identity = waiter.schedule.take_check(candidate.token);
        }
        let proc = if self.asks_proc_first {
            self.kernel.prove_proc()
        } else {
            None
        };
        let (looks, before) = (waiter.candidates.len(), reports.len());
        self.look_at_candidates(waiter, reports, |candidate| {
            candidate.hinted_status == HintedStatus::Nothing
                && proc.is_some_and(|proc| proc.shows_alive(candidate.pid))
        });
        let chunk = Chunk {
            looks,
            found: reports.len() - before,
            cost: stopwatch.elapsed(),
            cursor,
        };
        let swept = waiter.schedule.end_chunk(self.kernel.monotonic(), &chunk);
        if let Some(swept) = swept {
            // Relaxed: the number publishes nothing else.
            self.sweeps.fetch_add(1, Ordering::Relaxed);
            events::swept(&swept);
        }
    }

    /// Looks at each of the waiter's candidates, and adds the reports of those that have exited.
    /// If a candidate `is_known_alive`, there is no look.
    fn look_at_candidates(
        &self,
        waiter: &mut SigchldWaiter,
        reports: &mut Vec<Report>,
        is_known_alive: impl Fn(&Candidate) -> bool,
    ) {
        let SigchldWaiter {
            candidates,
            states,
            verdicts,
            ..
        } = waiter;
        states.extend(candidates.iter().map(|candidate| {
            if is_known_alive(candidate) {
                State::NotYet
            } else {
                self.look_at(candidate.pid)
            }
        }));
        // Before other hints are taken in, which may be younger than the look.
        let seen_alive: Vec<Token> = candidates
            .iter()
            .zip(states.iter())
            .filter(|(candidate, state)| {
                candidate.hinted_status != HintedStatus::Nothing && **state == State::NotYet
            })
            .map(|(candidate, _)| candidate.token)
            .collect();
        if states.iter().any(|state| *state != State::NotYet) {
            self.refresh(candidates);
        }
        let proof = OnceCell::new();
        let prove = || *proof.get_or_init(|| self.kernel.prove_proc());
        let states = states.drain(..);
        verdicts.extend(
            candidates
                .iter()
                .zip(states)
                .map(|(candidate, state)| judge(candidate, state, prove)),
        );
        // The lock is taken only now, because `judge` may have read files.
        let mut table = self.table();
        for token in seen_alive {
            table.note_alive(token);
        }
        for (candidate, verdict) in candidates.drain(..).zip(verdicts.drain(..)) {
            reports.extend(match verdict {
                Verdict::Alive => None,
                Verdict::Ended(ended) => table.report_ended(candidate.token, ended),
                Verdict::Gone => table.report_gone(candidate.token),
            });
        }
    }

    /// Renews the hinted status of each candidate. If a signal came before the look, and its hint
    /// had not been taken in, the hint now counts in the verdict.
    fn refresh(&self, candidates: &mut [Candidate]) {
        let mut table = self.table();
        table.take_hints(&self.signals);
        for candidate in candidates {
            if let Some(Candidate { hinted_status, .. }) = table.candidate(candidate.token) {
                candidate.hinted_status = hinted_status;
            }
        }
    }

    /// Looks at one child on a caller's thread. Returns its end if it has exited.
    fn look_at_one(&self, candidate: Candidate) -> Option<Option<Ended>> {
        let (candidate, state) = self.look_afresh(candidate);
        let verdict = judge(&candidate, state, || self.kernel.prove_proc());
        // The watcher's thread may have taken the hint since, and reported the child.
        if let Some(Known::Reported { ended, .. }) = self.table().known(candidate.token) {
            return Some(ended);
        }
        match verdict {
            Verdict::Alive => None,
            Verdict::Ended(ended) => Some(ended),
            Verdict::Gone => Some(candidate.hinted_status.ended()),
        }
    }

    fn look_afresh(&self, candidate: Candidate) -> (Candidate, State) {
        let state = self.look_at(candidate.pid);
        let mut candidates = [candidate];
        self.refresh(&mut candidates);
        let [candidate] = candidates;
        (candidate, state)
    }

    /// Looks afresh at a child that has not been reported, and reports it if it has been reaped.
    /// Returns `true` then.
    fn report_if_reaped(&self, candidate: Candidate) -> bool {
        let (candidate, state) = self.look_afresh(Candidate {
            checks_identity: true,
            ..candidate
        });
        let is_reaped = match judge(&candidate, state, || self.kernel.prove_proc()) {
            Verdict::Gone => true,
            Verdict::Alive => false,
            // The start is compared even if no hinted status gives rise to doubt.
            Verdict::Ended(_) => {
                let prove = || self.kernel.prove_proc();
                start(candidate.pid, candidate.armed_at, prove) == Start::Later
            }
        };
        if is_reaped {
            self.hand_over(|table| table.report_gone(candidate.token));
        }
        is_reaped
    }

    /// Lets `SIGCHLD` through on this thread while it sleeps and an exit is still to be
    /// reported. Programs that block the signal on all of their threads need this. At other
    /// times the thread blocks it, so that it takes no signal from a `signalfd` or `sigwaitinfo`
    /// of the program.
    ///
    /// If the program has a handler of its own, perhaps installed since, the thread always blocks the
    /// signal. The program may block the signal for a while because the handler must not run
    /// meanwhile, as `system` does. Otherwise the handler would run on this thread then.
    fn let_signal_through(&self, waiter: &mut SigchldWaiter, is_wanted: bool) {
        if let Signals::Forwarder(_) = self.signals {
            return;
        }
        let is_wanted = is_wanted && !self.kernel.may_run_another_handler();
        waiter.let_signal_through(is_wanted, |is_blocked| self.kernel.set_blocked(is_blocked));
    }

    /// Lets the watcher's thread report what another thread has found.
    fn hand_over(&self, report: impl FnOnce(&mut Table) -> Option<Report>) {
        {
            let mut table = self.table();
            let report = report(&mut table);
            table.push_report(report);
        }
        let _ = self.signals.event_count.notify();
    }

    /// Installs the handler, unless that has been done. If the pid will be refused, nothing is
    /// installed.
    fn install_handler_for(&self, pid: Pid) -> Result<(), WatchError> {
        let is_first = self.has_handler.get().is_none();
        if self.kernel.has_handler(is_first) {
            let _ = self.has_handler.set(());
            return Ok(());
        }
        match self.kernel.look(pid, Detail::Status) {
            State::Gone => return Err(self.kernel.not_a_child(pid)),
            State::Refused(errno) => return Err(child::look_refused(pid, errno)),
            State::NotYet | State::Exited(_) if self.kernel.kinship(pid) != Kinship::Child => {
                return Err(self.kernel.not_a_child(pid));
            }
            State::NotYet | State::Exited(_) => {}
        }
        self.kernel
            .install_handler()
            .map_err(|source| WatchError::Unsupported {
                operation: "a handler of SIGCHLD",
                pid: Some(pid),
                source,
            })?;
        let _ = self.has_handler.set(());
        Ok(())
    }

    /// Returns `true` if the pid now belongs to another process than the reported one, which was a
    /// zombie then. A zombie has one status.
    fn is_other_than_reported(&self, pid: Pid, armed_at: Ticks, ended: Option<Ended>) -> bool {
        match self.kernel.look(pid, Detail::Status) {
            State::Gone | State::NotYet => true,
            State::Exited(now) if ended.is_some_and(|ended| ended.status != now.status) => true,
            State::Exited(_) => start(pid, armed_at, || self.kernel.prove_proc()) == Start::Later,
            State::Refused(_) => false,
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SigchldSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigchldSource").finish_non_exhaustive()
    }
}

// A model has no real children.
#[cfg(not(childwatch_loom))]
#[cfg(test)]
mod tests;
