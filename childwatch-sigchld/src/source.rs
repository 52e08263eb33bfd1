//! [`SigchldSource`]: from signals to reports.
//!
//! # The signal
//!
//! The kernel makes a child a zombie before it queues the signal, and merges a signal
//! into one of its kind that is still queued. So a handler's run may stand for many
//! exits, but for each exit a handler's run is still to come: it begins a new
//! *generation*. The child it names is a *hint*.
//!
//! # What the watcher's thread does
//!
//! 1. It follows the hints: one `waitid` for each named child. An exit that comes alone
//!    is told of then, whatever the number of children.
//! 2. For each new generation it asks for any zombie at all (`P_ALL`). None: every
//!    child is *settled* for this generation. One that is watched and has not been
//!    reported: it is, and the question is put again.
//! 3. A zombie that has been reported, or that nobody watches, stands in the way of
//!    that question until somebody reaps it. Then it *sweeps*: it looks at each child
//!    not yet settled, in chunks, within a budget. Hints that come meanwhile go first.
//! 4. A *heartbeat* sweeps for what no signal tells: children that somebody else has
//!    reaped, or that have no exit signal, and a handler that has been replaced.
//!
//! Which of 2 to 4 it is, and when, the [`Plan`] says; here is what they do.
//!
//! With nothing watched the handler passes signals by, and the thread sleeps.
//!
//! # Identity
//!
//! A number is armed while its child has it. A hint younger than the arming is of that
//! very child, as a number's first exit; if the number is alive all the same, another
//! child has it by now. Without a hint the start time in `/proc` decides, if it lies
//! after the arming: it is looked at when in doubt, and for some children a heartbeat.

use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use childwatch_core::{ExitSource, Pid, Report, Token, WatchError};

use crate::bell::Bell;
use crate::child::{self, Child, Started, Ticks};
use crate::filter::Filter;
use crate::handler::{self, Handler, Heard};
use crate::hints::Hints;
use crate::look::{self, Look, is_anothers, zombie_is_anothers};
use crate::plan::{Chunk, Plan, Step, Sweep};
use crate::stopwatch::Stopwatch;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::table::{Identity, Suspect, Table};

/// Children looked at between two looks at the hints.
const CHUNK: usize = 64;

/// The [`ExitSource`] behind [`SigchldWatcher`](crate::SigchldWatcher), for a
/// [`Fallback`](childwatch_core::Fallback).
pub struct SigchldSource {
    heard: Arc<Heard>,
    /// Installed when the first child is armed, if not before: until then the kernel
    /// does not interrupt the program for its children.
    handler: OnceLock<Handler>,
    /// Guards what is armed. No system call is made under it, and nothing else is
    /// locked.
    table: Mutex<Table>,
    is_woken: AtomicBool,
}

/// The half of a [`SigchldSource`] that only the watcher's thread uses.
#[derive(Debug)]
pub struct SigchldWaiter {
    plan: Plan,
    filter: Filter,
    suspects: Vec<Suspect>,
}

/// What the watcher's thread does next.
enum Next {
    LookAgain,
    Listen(Option<Duration>),
}

impl SigchldSource {
    /// A source that watches nothing yet. It has a handler of `SIGCHLD` from the first
    /// child that it watches; the handler stays.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](WatchError::Unsupported) where kernel or sandbox do not let
    /// children or the handler be looked at. If the handler cannot be set, watching a
    /// child has this answer.
    pub fn new() -> Result<(Self, SigchldWaiter), WatchError> {
        crate::probe().verdict()?;
        let heard = Arc::new(Heard {
            hints: Hints::new(),
            generation: AtomicU32::new(0),
            is_listening: AtomicBool::new(false),
            bell: Bell::default(),
        });
        let source = SigchldSource {
            heard,
            handler: OnceLock::new(),
            table: Mutex::default(),
            is_woken: AtomicBool::new(false),
        };
        let waiter = SigchldWaiter {
            plan: Plan::new(Instant::now()),
            filter: Filter::new(),
            suspects: Vec::new(),
        };
        Ok((source, waiter))
    }

    /// Installs the handler, unless that is done; `pid` is who it is for.
    ///
    /// Two threads may both do so at first. One's share is given back then, and a signal
    /// that both have heard is as harmless as any other that names a child twice.
    pub(crate) fn hear_signals(&self, pid: Option<Pid>) -> Result<(), WatchError> {
        if self.handler.get().is_none() {
            let installed = Handler::install(Arc::clone(&self.heard));
            let installed = installed.map_err(|source| WatchError::Unsupported {
                operation: "a handler of SIGCHLD",
                pid,
                source,
            })?;
            self.handler.get_or_init(|| installed);
        }
        Ok(())
    }
}

impl ExitSource for SigchldSource {
    type Waiter = SigchldWaiter;

    const THREAD_NAME: &'static str = "childwatch-chld";

    fn start(&self, _waiter: &mut SigchldWaiter) {
        handler::unblock_on_this_thread();
    }

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        self.hear_signals(Some(pid))?;
        // Both before the child is looked at: an exit after that is of a later
        // generation, and its signal is listened to.
        let at = Ticks::now();
        let generation = self.heard.generation.load(Ordering::SeqCst);
        let was_asleep = {
            let mut table = self.table();
            self.heard.is_listening.store(true, Ordering::SeqCst);
            table.insert(pid, token, at, generation)
        };
        if was_asleep {
            self.heard.bell.ring();
        }
        match child::look_at(pid) {
            Child::NotYet => {}
            Child::Exited(status) => self.keep_report(token, Some(status)),
            Child::Gone => {
                self.disarm(token);
                return Err(child::not_a_child(pid));
            }
            Child::Refused(errno) => {
                self.disarm(token);
                return Err(child::not_to_be_asked_about(pid, errno));
            }
        }
        Ok(())
    }

    fn disarm(&self, token: Token) {
        let mut table = self.table();
        table.remove(token);
        // Under the table's lock, as an arming's, so that it can't undo a later one's.
        if table.is_empty() {
            self.heard.is_listening.store(false, Ordering::SeqCst);
        }
    }

    fn is_reaped(&self, token: Token) -> bool {
        let identity = {
            let mut table = self.table();
            table.hear(&self.heard.hints);
            table.identity(token)
        };
        let Some(Identity {
            pid,
            armed_at,
            is_reported,
            told,
        }) = identity
        else {
            return true;
        };
        // Nobody could tell a status: it had been reaped.
        if is_reported && told.is_none() {
            return true;
        }
        let is_reaped = match child::look_at(pid) {
            Child::Gone => true,
            Child::Exited(status) => {
                child::started(pid, armed_at) == Started::After
                    || zombie_is_anothers(pid, armed_at, told, status)
            }
            Child::NotYet | Child::Refused(_) => is_reported || is_anothers(pid, armed_at, told),
        };
        if is_reaped && !is_reported {
            self.keep_report(token, told);
        }
        is_reaped
    }

    fn look(&self, token: Token) -> Option<Report> {
        let identity = {
            let mut table = self.table();
            table.hear(&self.heard.hints);
            table.identity(token)?
        };
        let Identity {
            pid,
            armed_at,
            is_reported,
            told: hint,
        } = identity;
        if is_reported {
            return Some(Report {
                token,
                status: hint,
            });
        }
        let suspect = Suspect {
            token,
            pid,
            armed_at,
            hint,
        };
        match look::look_at(&suspect, false) {
            Look::Alive => None,
            Look::Over(status) => Some(Report { token, status }),
        }
    }

    fn wait(&self, waiter: &mut SigchldWaiter, reports: &mut Vec<Report>) -> io::Result<()> {
        loop {
            let rings = self.heard.bell.rings();
            self.follow_hints(waiter, reports);
            let is_woken = self.is_woken.swap(false, Ordering::SeqCst);
            if is_woken || !reports.is_empty() {
                return Ok(());
            }
            if let Next::Listen(limit) = self.settle(waiter, reports) {
                self.heard.bell.listen(rings, limit)?;
            }
        }
    }

    fn wake(&self) -> io::Result<()> {
        self.is_woken.store(true, Ordering::SeqCst);
        self.heard.bell.ring();
        Ok(())
    }
}

impl SigchldSource {
    /// Step 1.
    fn follow_hints(&self, waiter: &mut SigchldWaiter, reports: &mut Vec<Report>) {
        let mut suspects = std::mem::take(&mut waiter.suspects);
        {
            let mut table = self.table();
            table.hear(&self.heard.hints);
            table.take_reports(reports);
            table.take_hinted(&mut suspects);
        }
        waiter.suspects = suspects;
        if !waiter.suspects.is_empty() {
            self.look_at_suspects(waiter, reports, |_| false);
        }
    }

    /// Steps 2 to 4, whichever it is the turn of.
    fn settle(&self, waiter: &mut SigchldWaiter, reports: &mut Vec<Report>) -> Next {
        {
            let mut table = self.table();
            if table.is_empty() {
                table.is_asleep = true;
                waiter.plan.is_idle();
                return Next::Listen(None);
            }
        }
        let generation = self.heard.generation.load(Ordering::SeqCst);
        match waiter.plan.next(Instant::now(), generation) {
            Step::Rest(rest) => return Next::Listen(Some(rest)),
            Step::AskForAnyZombie => self.ask_for_any_zombie(waiter, generation, reports),
            Step::GoOn(sweep) => self.go_on_sweeping(waiter, sweep, reports),
            Step::BeginHeartbeat => self.begin_heartbeat(waiter),
        }
        Next::LookAgain
    }

    /// Step 2.
    fn ask_for_any_zombie(
        &self,
        waiter: &mut SigchldWaiter,
        generation: u32,
        reports: &mut Vec<Report>,
    ) {
        let stopwatch = Stopwatch::start();
        let answer = child::first_zombie();
        let cost = stopwatch.elapsed();
        waiter.plan.was_asked(Instant::now(), cost);
        let zombie = match answer {
            Ok(None) => {
                waiter.plan.is_settled(generation);
                return;
            }
            Ok(zombie @ Some(_)) => zombie,
            // ECHILD: no child is left, so somebody else has reaped the watched ones.
            Err(_) => None,
        };
        if let Some(pid) = zombie {
            self.table().of_pid(pid, &mut waiter.suspects);
            self.look_at_suspects(waiter, reports, |_| false);
        }
        if reports.is_empty() {
            waiter.plan.is_blinded(generation);
        }
    }

    /// Step 3, one chunk of it.
    fn go_on_sweeping(&self, waiter: &mut SigchldWaiter, sweep: Sweep, reports: &mut Vec<Report>) {
        let stopwatch = Stopwatch::start();
        let cursor =
            self.table()
                .unsettled(sweep.generation, sweep.cursor, CHUNK, &mut waiter.suspects);
        let looks = waiter.suspects.len();
        self.look_at_suspects(waiter, reports, |token| sweep.checks_identity(token));
        let chunk = Chunk {
            looks,
            found: reports.len(),
            cost: stopwatch.elapsed(),
            cursor,
        };
        let is_replaced = || self.handler.get().is_some_and(Handler::is_replaced);
        waiter
            .plan
            .was_swept(sweep, &chunk, Instant::now(), is_replaced);
    }

    /// Step 4. A generation of its own makes every child unsettled.
    fn begin_heartbeat(&self, waiter: &mut SigchldWaiter) {
        waiter.filter.forget();
        let armed = self.table().armed();
        let generation = self.heard.generation.fetch_add(1, Ordering::SeqCst);
        waiter
            .plan
            .begin_heartbeat(generation.wrapping_add(1), armed);
    }

    /// Looks at each of the waiter's suspects, and reports or settles it.
    fn look_at_suspects(
        &self,
        waiter: &mut SigchldWaiter,
        reports: &mut Vec<Report>,
        checks_identity: impl Fn(Token) -> bool,
    ) {
        // Before the children are looked at: what happens after is of a later one.
        let generation = self.heard.generation.load(Ordering::SeqCst);
        let suspects = std::mem::take(&mut waiter.suspects);
        let looks = waiter.filter.look_at_each(&suspects, checks_identity);
        let mut table = self.table();
        if looks.iter().any(|look| matches!(look, Look::Over(None))) {
            // It may have been reaped just now, and its signal heard before that.
            table.hear(&self.heard.hints);
        }
        for (suspect, look) in suspects.iter().zip(looks) {
            match look {
                Look::Alive => table.settle(suspect, generation),
                Look::Over(status) => reports.extend(table.report(suspect.token, status)),
            }
        }
        drop(table);
        waiter.suspects = suspects;
        waiter.suspects.clear();
    }

    /// Has the watcher's thread report what another thread has found.
    fn keep_report(&self, token: Token, status: Option<ExitStatus>) {
        self.table().keep_report(token, status);
        self.heard.bell.ring();
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

#[cfg(test)]
mod tests;
