//! [`Life`]: what is known of one child; [`Ticket`]: what is known of one callback.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, TryLockError, Weak};
use std::thread;
use std::time::Duration;

use childwatch_core::{Exit, ExitCallback, Pid, PidWatcher};

use super::tally::Tally;
use childwatch_ptrace_free_tests::kit::deadline;
use childwatch_ptrace_free_tests::kit::sys::death;

/// The watcher that all threads use. Callbacks hold it weakly, because it holds them.
pub(super) struct TheWatcher(pub(super) Box<dyn PidWatcher>);

/// One child, from before its exit.
pub(super) struct Life {
    pid: Pid,
    /// The status that it is to exit with; [`ALIVE`] while it may not exit.
    status: AtomicI32,
    /// The number is the child's until this says that it is reaped. Read-locked while
    /// the number is used, in which no call waits for a callback.
    is_reaped: RwLock<bool>,
    /// Set before it is reaped.
    is_being_reaped: AtomicBool,
    /// The place, in the order of registration, of the last callback that has run.
    last: AtomicU32,
    tally: Arc<Tally>,
}

/// A child that was let go is dead after a few of these.
const ROUNDS: usize = 100;

/// No wait status: that of a process that continues.
const ALIVE: i32 = 0xFFFF;

impl Life {
    pub(super) fn new(pid: Pid, tally: &Arc<Tally>) -> Self {
        Life {
            pid,
            status: AtomicI32::new(ALIVE),
            is_reaped: RwLock::new(false),
            is_being_reaped: AtomicBool::new(false),
            last: AtomicU32::new(0),
            tally: Arc::clone(tally),
        }
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// From here on it may exit, with this status.
    pub(super) fn allow_exit(&self, status: ExitStatus) {
        self.status.store(status.into_raw(), Ordering::SeqCst);
    }

    fn expected(&self) -> Option<ExitStatus> {
        match self.status.load(Ordering::SeqCst) {
            ALIVE => None,
            raw => Some(ExitStatus::from_raw(raw)),
        }
    }

    /// The number, while the child is not reaped; `None` when it is reaped.
    pub(super) fn number(&self) -> Option<RwLockReadGuard<'_, bool>> {
        let guard = match self.is_reaped.try_read() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        (!*guard).then_some(guard)
    }

    /// Reaps the child by `reap`, whose status must be the expected. It has been let go.
    pub(super) fn reap(&self, patience: Duration, reap: impl FnOnce() -> Option<ExitStatus>) {
        // Somebody else may have reaped it, and its number be that of a child that lives.
        let is_dead = (0..ROUNDS).any(|_| {
            thread::yield_now();
            death::is_waitable(self.pid)
        }) || deadline::holds_within(patience, || death::is_waitable(self.pid));
        if !is_dead {
            let words = format!("{}: it was let go, and can't be waited for", self.pid);
            self.tally.fault(|tally| &tally.stolen, words);
            return;
        }
        self.is_being_reaped.store(true, Ordering::SeqCst);
        let mut is_reaped = self
            .is_reaped
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *is_reaped = true;
        let status = reap();
        drop(is_reaped);
        let expected = self.expected();
        if status != expected {
            self.tally.fault(
                |tally| &tally.stolen,
                format!("{}: reaping it gave {status:?}, not {expected:?}", self.pid),
            );
        }
    }
}

/// One callback.
pub(super) struct Ticket {
    life: Arc<Life>,
    /// Its place in the order of registration; `None` where that is not known.
    place: Option<u32>,
    runs: AtomicU32,
    has_ended: AtomicBool,
    /// It must not run: it was taken out, or its watcher dropped.
    is_over: AtomicBool,
    is_freed: AtomicBool,
}

impl Ticket {
    pub(super) fn new(life: &Arc<Life>, place: Option<u32>) -> Arc<Self> {
        Arc::new(Ticket {
            life: Arc::clone(life),
            place,
            runs: AtomicU32::new(0),
            has_ended: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            is_freed: AtomicBool::new(false),
        })
    }

    /// The callback. With a watcher it goes on to watch its own child once more.
    pub(super) fn callback(self: &Arc<Self>, again: Option<Weak<TheWatcher>>) -> ExitCallback {
        self.life.tally.add_captured(1);
        let captured = Captured(Arc::clone(self));
        Box::new(move |exit| {
            let Captured(ticket) = &captured;
            ticket.run(exit);
            if let Some(watcher) = again.and_then(|watcher| watcher.upgrade()) {
                ticket.watch_again(&watcher);
            }
            ticket.has_ended.store(true, Ordering::SeqCst);
        })
    }

    fn run(&self, exit: Exit) {
        let Ticket { life, .. } = self;
        let tally = &life.tally;
        tally.count(|tally| &tally.told);
        let had_run = self.runs.fetch_add(1, Ordering::SeqCst) > 0;
        if had_run || self.is_over.load(Ordering::SeqCst) {
            let words = format!("{}: a callback ran that was over", life.pid);
            tally.fault(|tally| &tally.doubled, words);
        }
        let expected = life.expected();
        let is_being_reaped = life.is_being_reaped.load(Ordering::SeqCst);
        if expected.is_none() {
            let words = format!("{}: told of {exit} while it was alive", life.pid);
            tally.fault(|tally| &tally.early, words);
        } else if exit.pid() != life.pid
            || (exit.status() != expected && (exit.status().is_some() || !is_being_reaped))
        {
            let words = format!("{}: told of {exit}, not {expected:?}", life.pid);
            tally.fault(|tally| &tally.wrong, words);
        } else if exit.status().is_none() {
            tally.count(|tally| &tally.unknown);
        }
        if let Some(place) = self.place {
            if !tally.is_the_watchers_thread() {
                let words = format!("{}: a callback on another thread", life.pid);
                tally.fault(|tally| &tally.disordered, words);
            }
            let last = life.last.swap(place, Ordering::SeqCst);
            if last > place {
                let words = format!("{}: callback {place} after {last}", life.pid);
                tally.fault(|tally| &tally.disordered, words);
            }
        }
        if let Some(_number) = life.number().filter(|_| expected.is_some()) {
            if !death::is_waitable(life.pid) {
                let words = format!("{}: not waitable in its callback", life.pid);
                tally.fault(|tally| &tally.stolen, words);
            }
        }
    }

    fn watch_again(&self, TheWatcher(watcher): &TheWatcher) {
        let Ticket { life, .. } = self;
        let Some(_number) = life.number() else {
            return;
        };
        let tally = &life.tally;
        tally.count(|tally| &tally.watch);
        tally.count(|tally| &tally.watch_inside);
        let again = Ticket::new(life, None);
        match watcher.watch(life.pid, again.callback(None)) {
            Ok(_) => tally.count(|tally| &tally.registered),
            Err(error) => tally.fault(
                |tally| &tally.misanswered,
                format!("{}: watch inside a callback: {error}", life.pid),
            ),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::SeqCst)
    }

    pub(super) fn has_begun(&self) -> bool {
        self.runs.load(Ordering::SeqCst) > 0
    }

    pub(super) fn is_freed(&self) -> bool {
        self.is_freed.load(Ordering::SeqCst)
    }

    /// From here on it must not run.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

/// What a callback captures.
struct Captured(Arc<Ticket>);

impl Drop for Captured {
    fn drop(&mut self) {
        let Captured(ticket) = self;
        ticket.is_freed.store(true, Ordering::SeqCst);
        ticket.life.tally.add_captured(-1);
    }
}
