//! [`SigchldSource`]: from signals to reports.
//!
//! ```text
//!  a child exits
//!    │ the kernel makes it a zombie, then sends SIGCHLD (or merges it into one queued)
//!    ▼
//!  Inbox::signal          generation + 1 · a hint: this pid, this status · ring the bell
//!    │
//!    ▼                    the watcher's thread, in `wait`
//!  look_at_hinted         one waitid for each child that a hint names
//!    │
//!    ▼                    if a generation is not answered, or at a heartbeat
//!  sweep_a_chunk          one waitid for each of the next 64 unreported children
//!    │
//!    ▼
//!  judge ──▶ Report       what the answers mean
//! ```
//!
//! # Why no exit is lost
//!
//! 1. `arm` reads the generation, opens the inbox, inserts the entry, and only then looks
//!    at the child. So the look sees an exit that came before it.
//! 2. The kernel makes a child a zombie before it queues or merges the signal. So after
//!    each exit a run of the handler follows, which raises the generation and then rings.
//! 3. The thread reads the bell, then the generation, and then sleeps on the bell. So it
//!    misses no ring. A generation that is not answered makes a sweep begin after a finite
//!    time.
//! 4. A sweep answers only the generation that was read before its first look. An entry
//!    that is armed behind its cursor exits in a later generation.
//! 5. What no signal reports is found by a heartbeat, which signals cannot postpone.
//!
//! # Why none is invented
//!
//! A hint alone is never an exit. It chooses whom to look at, and lends its status where
//! the zombie is gone. What a look means is decided in [`judge`](crate::look::judge).
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
use std::process::ExitStatus;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use childwatch_core::source::clock::Ticks;
use childwatch_core::source::{ExitSource, Report, Token};
use childwatch_core::{Pid, WatchError};

use crate::kernel::{Kernel, Subscription};
use crate::listen::forwarder::Forwarder;
use crate::listen::inbox::Inbox;
use crate::listen::wire::Wire;
use crate::look::child::{self, Kinship, State};
use crate::look::judge::{Start, Verdict, judge, start};
use crate::schedule::{CHUNK, Chunk, LONGEST_COLLECT, SWEEP_SHARE, Schedule};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::table::{Heard, Known, Suspect, Table};

/// The [`ExitSource`] behind [`SigchldWatcher`](crate::SigchldWatcher), for a
/// [`Fallback`](childwatch_core::Fallback).
pub struct SigchldSource {
    kernel: Kernel,
    signals: Signals,
    /// Guards what is armed. No system call is made under it, and nothing else is
    /// locked.
    table: Mutex<Table>,
    is_woken: AtomicBool,
    /// A `waitid` of one child walks over all of them, so `/proc` is asked first.
    asks_proc_first: bool,
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
    /// The thread lets `SIGCHLD` through. The engine blocks it at first.
    lets_signal_through: bool,
    /// When the last wait ended.
    returned_at: Duration,
    suspects: Vec<Suspect>,
    states: Vec<State>,
    verdicts: Vec<Verdict>,
}

/// What came of asking whether a chunk is due.
enum Step {
    Swept,
    /// Nothing is due for so long, or for ever if no exit is still to be reported.
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
    /// It is for this project's tests, and no part of the public interface. A heartbeat
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

    pub(crate) fn over(
        kernel: Kernel,
        signals: Signals,
    ) -> Result<(Self, SigchldWaiter), WatchError> {
        kernel.verdict()?;
        let now = kernel.monotonic();
        let source = SigchldSource {
            signals,
            table: Mutex::default(),
            is_woken: AtomicBool::new(false),
            asks_proc_first: kernel.walks_over_all(),
            kernel,
        };
        let waiter = SigchldWaiter {
            schedule: Schedule::new(now),
            lets_signal_through: false,
            returned_at: now,
            suspects: Vec::new(),
            states: Vec::new(),
            verdicts: Vec::new(),
        };
        Ok((source, waiter))
    }
}

#[cfg(childwatch_loom)]
#[cfg(test)]
impl SigchldWaiter {
    /// Returns `true` if every signal has been answered.
    pub(crate) fn is_at_rest(&self, source: &SigchldSource) -> bool {
        let generation = source.signals.generation();
        !self.schedule.rest(Duration::ZERO, generation).is_zero()
    }
}

impl ExitSource for SigchldSource {
    type Waiter = SigchldWaiter;

    const THREAD_NAME: &'static str = "childwatch-chld";

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        if let Signals::Handler(_) = self.signals {
            self.install_handler_for(pid)?;
        }
        // The order is that of the argument above.
        let generation = self.signals.generation();
        let is_first = {
            let mut table = self.table();
            self.signals.open();
            let is_first = !table.has_unreported();
            table.insert(pid, token, generation);
            is_first
        };
        if is_first {
            let _ = self.signals.bell.ring();
        }
        match (self.kernel.look(pid), self.kernel.kinship(pid)) {
            (State::NotYet, Kinship::Child) => {
                // After the look: the child had the pid by then.
                let armed_at = self.kernel.ticks();
                self.table().set_armed_at(token, armed_at);
                Ok(())
            }
            (State::Exited(status), Kinship::Child) => {
                let armed_at = self.kernel.ticks();
                self.keep(|table| {
                    table.set_armed_at(token, armed_at);
                    table.report_ended(token, Some(status))
                });
                Ok(())
            }
            (State::Refused(errno), _) => {
                self.disarm(token);
                Err(child::not_to_be_looked_at(pid, errno))
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
            let _ = self.signals.bell.ring();
        }
    }

    fn is_reaped(&self, token: Token) -> bool {
        let known = self.table().known(token);
        match known {
            None => true,
            Some(Known::Unreported(suspect)) => self.is_unreported_reaped(suspect),
            Some(Known::Reported {
                pid,
                armed_at,
                status,
                was_gone,
            }) => was_gone || self.is_other_than_reported(pid, armed_at, status),
        }
    }

    fn look(&self, token: Token) -> Option<Report> {
        let known = self.table().known(token)?;
        let status = match known {
            Known::Reported { status, .. } => status,
            Known::Unreported(suspect) => self.look_at_one(suspect)?,
        };
        Some(Report::new(token, status))
    }

    fn wait(&self, waiter: &mut SigchldWaiter, reports: &mut Vec<Report>) -> io::Result<()> {
        self.sweep_after_callbacks(waiter, reports);
        loop {
            // The order is that of the argument above.
            let rings = self.signals.bell.rings();
            self.look_at_hinted(waiter, reports);
            let is_woken = self.is_woken.swap(false, Ordering::SeqCst);
            if is_woken || !reports.is_empty() {
                // Before a callback tells the program that the last child is gone.
                self.let_signal_through(waiter, false);
                waiter.returned_at = self.kernel.monotonic();
                return Ok(());
            }
            match self.sweep_a_chunk_if_due(waiter, reports) {
                Step::Swept => {}
                Step::Rest(limit) => {
                    self.let_signal_through(waiter, limit.is_some());
                    self.signals.bell.listen(rings, limit)?;
                }
            }
        }
    }

    fn wake(&self) -> io::Result<()> {
        // A swap as in `wait`. loom lets a store come between the two halves of a swap.
        self.is_woken.swap(true, Ordering::SeqCst);
        Ok(self.signals.bell.ring()?)
    }
}

impl SigchldSource {
    /// Adds what other threads have found, and looks at each child that a hint names.
    fn look_at_hinted(&self, waiter: &mut SigchldWaiter, reports: &mut Vec<Report>) {
        {
            let mut table = self.table();
            table.take_hints(&self.signals);
            table.take_reports(reports);
            table.take_hinted(&mut waiter.suspects);
        }
        if !waiter.suspects.is_empty() {
            self.look_at_suspects(waiter, reports, |_| false);
        }
    }

    /// Makes at least one chunk of the sweep that is due, if one is.
    ///
    /// Callbacks have run since the last wait. If they took long, a sweep of many chunks
    /// with callbacks between them would take far longer. So it may take its share of that
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
        let generation = self.signals.generation();
        match self.rest(waiter, now, generation) {
            Some(Duration::ZERO) => {
                self.sweep_a_chunk(waiter, now, generation, reports);
                Step::Swept
            }
            rest => Step::Rest(rest),
        }
    }

    /// How long nothing is due: `None` if no exit is still to be reported. `generation` must
    /// have been read before this call.
    fn rest(&self, waiter: &mut SigchldWaiter, now: Duration, generation: u32) -> Option<Duration> {
        if self.table().has_unreported() {
            Some(waiter.schedule.rest(now, generation))
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
        self.is_woken.swap(false, Ordering::SeqCst);
        self.look_at_hinted(waiter, reports);
        let now = self.kernel.monotonic();
        waiter.returned_at = now;
        let generation = self.signals.generation();
        (now, self.rest(waiter, now, generation))
    }

    /// Makes the descriptor that a program polls readable when the bell rings.
    pub(crate) fn wire(&self) -> &Wire {
        &self.signals.bell.wire
    }

    fn sweep_a_chunk(
        &self,
        waiter: &mut SigchldWaiter,
        now: Duration,
        generation: u32,
        reports: &mut Vec<Report>,
    ) {
        let stopwatch = self.kernel.stopwatch();
        let cursor = waiter.schedule.begin_chunk(now, generation);
        let cursor = self
            .table()
            .unreported_from(cursor, CHUNK, &mut waiter.suspects);
        for suspect in &mut waiter.suspects {
            suspect.checks_identity = waiter.schedule.take_check(suspect.token);
        }
        let proc = if self.asks_proc_first {
            self.kernel.prove_proc()
        } else {
            None
        };
        let (looks, before) = (waiter.suspects.len(), reports.len());
        self.look_at_suspects(waiter, reports, |suspect| {
            suspect.heard == Heard::Nothing
                && proc.is_some_and(|proc| proc.shows_alive(suspect.pid))
        });
        let chunk = Chunk {
            looks,
            found: reports.len() - before,
            cost: stopwatch.elapsed(),
            cursor,
        };
        waiter.schedule.end_chunk(self.kernel.monotonic(), &chunk);
    }

    /// Looks at each of the waiter's suspects, and adds the reports of those that are over.
    /// A suspect that `is_known_alive` costs no look.
    fn look_at_suspects(
        &self,
        waiter: &mut SigchldWaiter,
        reports: &mut Vec<Report>,
        is_known_alive: impl Fn(&Suspect) -> bool,
    ) {
        let SigchldWaiter {
            suspects,
            states,
            verdicts,
            ..
        } = waiter;
        states.extend(suspects.iter().map(|suspect| {
            if is_known_alive(suspect) {
                State::NotYet
            } else {
                self.kernel.look(suspect.pid)
            }
        }));
        if states.iter().any(|state| *state != State::NotYet) {
            self.refresh(suspects);
        }
        let proof = OnceCell::new();
        let prove = || *proof.get_or_init(|| self.kernel.prove_proc());
        let states = states.drain(..);
        verdicts.extend(
            suspects
                .iter()
                .zip(states)
                .map(|(suspect, state)| judge(suspect, state, prove)),
        );
        // Now, because `judge` may have read files.
        let mut table = self.table();
        for (suspect, verdict) in suspects.drain(..).zip(verdicts.drain(..)) {
            reports.extend(match verdict {
                Verdict::Alive => None,
                Verdict::Ended(status) => table.report_ended(suspect.token, status),
                Verdict::Gone => table.report_gone(suspect.token),
            });
        }
    }

    /// Renews what has been heard of each suspect. A signal that came before the look, and
    /// whose hint had not been taken in, counts in the verdict.
    fn refresh(&self, suspects: &mut [Suspect]) {
        let mut table = self.table();
        table.take_hints(&self.signals);
        for suspect in suspects {
            if let Some(Suspect { heard, .. }) = table.suspect(suspect.token) {
                suspect.heard = heard;
            }
        }
    }

    /// Looks at one child on a caller's thread. Returns its status if it is over.
    fn look_at_one(&self, suspect: Suspect) -> Option<Option<ExitStatus>> {
        let (suspect, state) = self.look_afresh(suspect);
        let verdict = judge(&suspect, state, || self.kernel.prove_proc());
        // The watcher's thread may have taken the hint since, and reported the child.
        if let Some(Known::Reported { status, .. }) = self.table().known(suspect.token) {
            return Some(status);
        }
        match verdict {
            Verdict::Alive => None,
            Verdict::Ended(status) => Some(status),
            Verdict::Gone => Some(suspect.heard.status()),
        }
    }

    fn look_afresh(&self, suspect: Suspect) -> (Suspect, State) {
        let state = self.kernel.look(suspect.pid);
        let mut suspects = [suspect];
        self.refresh(&mut suspects);
        let [suspect] = suspects;
        (suspect, state)
    }

    fn is_unreported_reaped(&self, suspect: Suspect) -> bool {
        let (suspect, state) = self.look_afresh(Suspect {
            checks_identity: true,
            ..suspect
        });
        let is_reaped = match judge(&suspect, state, || self.kernel.prove_proc()) {
            Verdict::Gone => true,
            Verdict::Alive => false,
            // Also if nothing that was heard gives rise to doubt.
            Verdict::Ended(_) => {
                let prove = || self.kernel.prove_proc();
                start(suspect.pid, suspect.armed_at, prove) == Start::Later
            }
        };
        if is_reaped {
            self.keep(|table| table.report_gone(suspect.token));
        }
        is_reaped
    }

    /// Lets `SIGCHLD` through on this thread while it rests and something is watched, for
    /// programs that block the signal on all of their threads. At other times the thread
    /// blocks it, so that a `signalfd` or `sigwaitinfo` of the program loses none to us.
    ///
    /// If the program has a handler of its own, the thread always blocks the signal. The
    /// program may block it for a while because the handler must not run meanwhile, as
    /// `system` does. The handler would run on this thread then.
    fn let_signal_through(&self, waiter: &mut SigchldWaiter, is_wanted: bool) {
        if let Signals::Forwarder(_) = self.signals {
            return;
        }
        let is_wanted = is_wanted && !self.kernel.has_found_another_handler();
        // A sandbox may refuse: then heartbeats find what no other thread is interrupted for.
        if waiter.lets_signal_through != is_wanted && self.kernel.set_blocked(!is_wanted).is_ok() {
            waiter.lets_signal_through = is_wanted;
        }
    }

    /// Lets the watcher's thread report what another thread has found.
    fn keep(&self, report: impl FnOnce(&mut Table) -> Option<Report>) {
        {
            let mut table = self.table();
            let report = report(&mut table);
            table.keep(report);
        }
        let _ = self.signals.bell.ring();
    }

    /// Installs the handler, unless that has been done. A pid that will be refused changes
    /// nothing in the process.
    fn install_handler_for(&self, pid: Pid) -> Result<(), WatchError> {
        if self.kernel.has_handler() {
            return Ok(());
        }
        match self.kernel.look(pid) {
            State::Gone => return Err(self.kernel.not_a_child(pid)),
            State::Refused(errno) => return Err(child::not_to_be_looked_at(pid, errno)),
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
            })
    }

    /// Returns `true` if the pid belongs to another process than the one that was reported,
    /// which was a zombie then. A zombie has one status.
    fn is_other_than_reported(
        &self,
        pid: Pid,
        armed_at: Ticks,
        status: Option<ExitStatus>,
    ) -> bool {
        match self.kernel.look(pid) {
            State::Gone | State::NotYet => true,
            State::Exited(now) if status.is_some_and(|status| status != now) => true,
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
