//! [`Child`]: a thread's child, and its calls, each with what it must answer.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use childwatch_core::{Pid, PidWatcher, Unregistered, WatchError, WatchHandle};
use rustix::process::{Signal, kill_process};

use super::life::{Life, TheWatcher, Ticket};
use super::sleeper::Sleeper;
use super::tally::Tally;
use childwatch_ptrace_free_tests::kit::sys::{death, threads};

/// So many callbacks wait for one child at most.
const CALLBACKS: usize = 6;

/// A child that has not been reaped.
pub(super) struct Child {
    sleeper: Sleeper,
    pub(super) life: Arc<Life>,
    tally: Arc<Tally>,
    /// `register_pid` is in force.
    pub(super) is_held: bool,
    is_stopped: bool,
    /// When it was let go.
    let_go: Option<Instant>,
    callbacks: Vec<Registered>,
    /// How many there have been.
    places: u32,
    /// When it was last registered or watched, since boot.
    pub(super) armed_at: Duration,
}

/// A callback that has not been taken out.
struct Registered {
    ticket: Arc<Ticket>,
    handle: WatchHandle,
}

impl Child {
    pub(super) fn new(sleeper: Sleeper, tally: &Arc<Tally>) -> Self {
        Child {
            life: Arc::new(Life::new(sleeper.pid(), tally)),
            sleeper,
            tally: Arc::clone(tally),
            is_held: false,
            is_stopped: false,
            let_go: None,
            callbacks: Vec::new(),
            places: 0,
            armed_at: Duration::ZERO,
        }
    }

    fn pid(&self) -> Pid {
        self.life.pid()
    }

    pub(super) fn is_let_go(&self) -> bool {
        self.let_go.is_some()
    }

    /// How long it has been since it was let go.
    pub(super) fn since_let_go(&self) -> Duration {
        self.let_go.map_or(Duration::ZERO, |at| at.elapsed())
    }

    pub(super) fn register(&mut self, watcher: &dyn PidWatcher) {
        self.tally.count(|tally| &tally.register_pid);
        self.armed_at = threads::since_boot();
        match (watcher.register_pid(self.pid()), self.is_held) {
            (Ok(()), false) => self.is_held = true,
            (Err(WatchError::AlreadyRegistered { .. }), true) => {
                self.tally.count(|tally| &tally.refused);
            }
            (answer, _) => self.misanswered("register_pid", &answer),
        }
        self.armed_at = threads::since_boot();
    }

    pub(super) fn unregister(&mut self, watcher: &dyn PidWatcher) {
        self.tally.count(|tally| &tally.unregister_pid);
        watcher.unregister_pid(self.pid());
        self.is_held = false;
    }

    /// `again` has the callback watch the child once more.
    pub(super) fn watch(&mut self, watcher: &Arc<TheWatcher>, again: bool) {
        if self.callbacks.len() >= CALLBACKS {
            return;
        }
        self.tally.count(|tally| &tally.watch);
        let ticket = self.next_ticket();
        let again = again.then(|| Arc::downgrade(watcher));
        let TheWatcher(watcher) = &**watcher;
        match watcher.watch(self.pid(), ticket.callback(again)) {
            Ok(handle) => self.keep(ticket, handle),
            Err(error) => self.misanswered("watch", &Err::<(), _>(error)),
        }
        self.armed_at = threads::since_boot();
    }

    pub(super) fn register_callback(&mut self, watcher: &dyn PidWatcher) {
        if self.callbacks.len() >= CALLBACKS {
            return;
        }
        self.tally.count(|tally| &tally.register_callback);
        let ticket = self.next_ticket();
        let answer = watcher.register_callback(self.pid(), ticket.callback(None));
        match (answer, self.is_held) {
            (Ok(handle), true) => self.keep(ticket, handle),
            (Err(WatchError::NotRegistered { .. }), false) => {
                self.tally.count(|tally| &tally.refused);
                if !ticket.is_freed() {
                    let words = format!("{}: what was refused is not dropped", self.pid());
                    self.tally.leaked(words);
                }
            }
            (answer, _) => self.misanswered("register_callback", &answer),
        }
    }

    /// A callback that another watcher is given.
    pub(super) fn visited(&self) -> Arc<Ticket> {
        Ticket::new(&self.life, None)
    }

    fn next_ticket(&mut self) -> Arc<Ticket> {
        self.places += 1;
        Ticket::new(&self.life, Some(self.places))
    }

    fn keep(&mut self, ticket: Arc<Ticket>, handle: WatchHandle) {
        self.tally.count(|tally| &tally.registered);
        self.callbacks.push(Registered { ticket, handle });
    }

    /// Takes out the callback that `choice` falls on.
    pub(super) fn cancel(&mut self, watcher: &dyn PidWatcher, choice: usize) {
        let Some(index) = choice.checked_rem(self.callbacks.len()) else {
            return;
        };
        self.tally.count(|tally| &tally.unregister_callback);
        let Registered { ticket, handle } = &self.callbacks[index];
        let answer = watcher.unregister_callback(*handle);
        let fault = match answer {
            Unregistered::WillNotRun => {
                ticket.end();
                self.tally.count(|tally| &tally.cancelled);
                match (ticket.has_begun(), ticket.is_freed()) {
                    (false, true) => None,
                    (true, _) => Some("it has run"),
                    (false, false) => Some("what it captured is not dropped"),
                }
            }
            Unregistered::HasRun => match (ticket.has_ended(), ticket.is_freed()) {
                (true, true) => None,
                (false, _) => Some("it has not"),
                (true, false) => Some("what it captured is not dropped"),
            },
            Unregistered::IsRunning => Some("this is not its callback"),
            // This is the answer for a callback that has run, when many younger ones were
            // cancelled.
            Unregistered::NotPending if ticket.has_ended() && ticket.is_freed() => None,
            Unregistered::NotPending => Some("nobody else has cancelled it"),
        };
        if let Some(fault) = fault {
            let words = format!("{}: {answer:?}, but {fault}", self.pid());
            self.tally.fault(|tally| &tally.misanswered, words);
        }
        self.callbacks.swap_remove(index);
    }

    pub(super) fn stop_or_continue(&mut self) {
        if self.is_stopped {
            self.continue_();
        } else if !self.is_let_go() && self.sleeper.is_asleep() {
            self.is_stopped = true;
            self.tally.count(|tally| &tally.stops);
            death::stop(self.pid());
        }
    }

    fn continue_(&mut self) {
        if std::mem::take(&mut self.is_stopped) {
            death::continue_(self.pid());
        }
    }

    /// Lets it exit with this code.
    pub(super) fn let_go(&mut self, code: u8) {
        if self.allow_exit(i32::from(code) << 8) {
            self.sleeper.let_go(code);
            self.continue_();
        }
    }

    /// Ends it by a signal.
    pub(super) fn kill(&mut self, signal: Signal) {
        if self.allow_exit(signal.as_raw()) {
            let pid = rustix::process::Pid::from_raw(self.pid().as_raw());
            // It is an unreaped child of this process.
            let _ = pid.map(|pid| kill_process(pid, signal));
            self.continue_();
        }
    }

    fn allow_exit(&mut self, status: i32) -> bool {
        if self.is_let_go() {
            return false;
        }
        self.let_go = Some(Instant::now());
        self.life.allow_exit(ExitStatus::from_raw(status));
        self.tally.count(|tally| &tally.exits);
        true
    }

    /// Whether each callback has run.
    pub(super) fn is_told(&self) -> bool {
        let mut callbacks = self.callbacks.iter();
        callbacks.all(|registered| registered.ticket.has_ended())
    }

    /// Reaps the child, which has been let go; the callbacks that have not run.
    pub(super) fn reap(mut self, patience: Duration) -> Vec<Owed> {
        let since = self.let_go.unwrap_or_else(Instant::now);
        self.life.reap(patience, || self.sleeper.reap());
        let life = &self.life;
        self.callbacks
            .into_iter()
            .filter(|registered| !registered.ticket.has_ended())
            .map(|Registered { ticket, .. }| Owed {
                pid: life.pid(),
                ticket,
                since,
            })
            .collect()
    }

    fn misanswered<T: std::fmt::Debug>(&self, call: &str, answer: &Result<T, WatchError>) {
        let words = format!("{}: {call} answered {answer:?}", self.pid());
        self.tally.fault(|tally| &tally.misanswered, words);
    }
}

/// A callback whose child has been reaped before it has run.
pub(super) struct Owed {
    pid: Pid,
    ticket: Arc<Ticket>,
    since: Instant,
}

impl Owed {
    pub(super) fn is_told(&self) -> bool {
        self.ticket.has_ended()
    }

    /// Counts it as lost, when it is due for so long; whether it is.
    pub(super) fn is_lost(&self, patience: Duration, tally: &Tally) -> bool {
        let is_lost = !self.ticket.has_begun() && self.since.elapsed() > patience;
        if is_lost {
            self.ticket.end();
            let words = format!("{}: a callback has not run for {patience:?}", self.pid);
            tally.fault(|tally| &tally.lost, words);
        }
        is_lost
    }
}
