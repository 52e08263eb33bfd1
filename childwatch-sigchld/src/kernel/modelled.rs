//! A kernel with a few children, made of loom's types.
//!
//! A model says when a child exits, when its signal comes and when it is reaped. The handler
//! runs on the thread that raises the signal, as on any thread of a program. No time passes,
//! and there is no `/proc`.

use std::collections::HashSet;
use std::io;
use std::ops::Deref;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use childwatch_core::source::clock::Ticks;
use childwatch_core::source::{Detail, Ended};
use childwatch_core::{Pid, WatchError};
use loom::sync::{Condvar, Mutex};
use loom::thread::{self, ThreadId};
use rustix::io::Errno;

use crate::listen::inbox::Inbox;
use crate::look::child::{Kinship, State};
use crate::look::proc::OwnProc;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};

#[derive(Clone, Debug)]
pub(crate) struct Kernel(Arc<Simulated>);

#[derive(Debug, Default)]
struct Simulated {
    /// The state of each child: `LIVES`, `IS_GONE`, `IS_REFUSED`, or a zombie's wait status plus
    /// `IS_ZOMBIE`.
    children: Vec<AtomicU32>,
    /// The inbox that a source has taken.
    inbox: OnceLock<Arc<Inbox>>,
    has_handler: AtomicBool,
    mask: Option<Mask>,
    /// The threads that have looked at a child since they asked for the handler, as each arming
    /// does first. std's lock, because no model explores it.
    have_looked: std::sync::Mutex<HashSet<ThreadId>>,
}

const LIVES: u32 = 0;
const IS_GONE: u32 = 1;
/// A sandbox refuses every look.
const IS_REFUSED: u32 = 2;
const IS_ZOMBIE: u32 = 3;

/// `SIGCHLD` in a program that blocks it on all of its own threads.
#[derive(Debug, Default)]
struct Mask {
    signal: Mutex<Pending>,
    has_changed: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    /// The watcher's thread lets the signal through.
    is_let_through: bool,
    /// If a signal comes while another is pending, it is merged into that.
    pending: Option<Signal>,
}

/// The child that a `SIGCHLD` names, and its wait status.
#[derive(Clone, Copy, Debug)]
struct Signal {
    pid: i32,
    status: i32,
}

/// The inbox that the simulated handler delivers to.
#[derive(Debug)]
pub(crate) struct Subscription(Arc<Inbox>);

impl Deref for Subscription {
    type Target = Inbox;

    fn deref(&self) -> &Inbox {
        &self.0
    }
}

/// What a model calls.
impl Kernel {
    /// A kernel with so many children, alive, whose pids begin with 1.
    pub(crate) fn with_children(count: usize) -> Self {
        let children = (0..count).map(|_| {
            let child = AtomicU32::new(LIVES);
            // loom does not count an atomic's first value as a sequentially consistent store.
            child.store(LIVES, Ordering::SeqCst);
            child
        });
        let kernel = Simulated {
            children: children.collect(),
            ..Simulated::default()
        };
        Kernel(Arc::new(kernel))
    }

    /// The same, in a program that blocks `SIGCHLD` on all of its own threads.
    pub(crate) fn with_blocked_signal(count: usize) -> Self {
        let Kernel(kernel) = Self::with_children(count);
        let kernel = Arc::into_inner(kernel).map(|kernel| Simulated {
            mask: Some(Mask::default()),
            ..kernel
        });
        Kernel(Arc::new(kernel.unwrap_or_default()))
    }

    /// Makes the child a zombie. Its signal is still to come.
    pub(crate) fn exit(&self, pid: Pid, code: u32) {
        let status = code << 8;
        self.child(pid).store(IS_ZOMBIE + status, Ordering::SeqCst);
    }

    /// Reaps the child, as another part of the program.
    pub(crate) fn reap(&self, pid: Pid) {
        self.child(pid).store(IS_GONE, Ordering::SeqCst);
    }

    /// Refuses each look at this child from now on, as a sandbox may.
    pub(crate) fn refuse_looks(&self, pid: Pid) {
        self.child(pid).store(IS_REFUSED, Ordering::SeqCst);
    }

    /// Sets the default action of the signal again, as before the first child of a process.
    pub(crate) fn remove_handler(&self) {
        self.0.has_handler.store(false, Ordering::SeqCst);
    }

    /// Raises the signal of this child's exit.
    pub(crate) fn signal(&self, pid: Pid, code: i32) {
        self.raise(Signal {
            pid: pid.as_raw(),
            status: code,
        });
    }

    /// Raises a signal of a child that is not watched. An exit's own signal may have been
    /// merged into it.
    pub(crate) fn signal_another(&self) {
        self.raise(Signal {
            pid: i32::MAX,
            status: 0,
        });
    }

    /// Returns `true` if the watcher's thread lets the signal through.
    pub(crate) fn is_let_through(&self) -> bool {
        let mask = self.mask().signal.lock().unwrap();
        mask.is_let_through
    }

    /// Waits until the watcher's thread lets the signal through, or until it does not.
    pub(crate) fn wait_until_let_through(&self, is_wanted: bool) {
        let mut signal = self.mask().signal.lock().unwrap();
        while signal.is_let_through != is_wanted {
            signal = self.mask().has_changed.wait(signal).unwrap();
        }
    }

    pub(crate) fn inbox(&self) -> &Inbox {
        self.0.inbox.get().expect("a source has subscribed")
    }

    fn have_looked(&self) -> std::sync::MutexGuard<'_, HashSet<ThreadId>> {
        let have_looked = self.0.have_looked.lock();
        have_looked.unwrap_or_else(PoisonError::into_inner)
    }

    fn child(&self, pid: Pid) -> &AtomicU32 {
        &self.0.children[pid.as_raw() as usize - 1]
    }

    fn mask(&self) -> &Mask {
        self.0.mask.as_ref().expect("a program with a mask")
    }

    fn raise(&self, signal: Signal) {
        if let Some(mask) = &self.0.mask {
            let mut now = mask.signal.lock().unwrap();
            if !now.is_let_through {
                now.pending.get_or_insert(signal);
                return;
            }
        }
        self.deliver(signal);
    }

    fn deliver(&self, Signal { pid, status }: Signal) {
        // The default action ignores the signal.
        if self.has_handler(false) {
            self.inbox().signal(pid, libc::CLD_EXITED, status);
        }
    }
}

/// What the source calls.
impl Kernel {
    /// A kernel without children.
    pub(crate) fn new() -> Self {
        Self::with_children(0)
    }

    pub(crate) fn check(&self) -> Result<(), WatchError> {
        Ok(())
    }

    pub(crate) fn walks_over_all(&self) -> bool {
        false
    }

    pub(crate) fn look(&self, pid: Pid, _detail: Detail) -> State {
        self.have_looked().insert(thread::current().id());
        match self.child(pid).load(Ordering::SeqCst) {
            LIVES => State::NotYet,
            IS_GONE => State::Gone,
            IS_REFUSED => State::Refused(Errno::PERM),
            zombie => {
                let status = ExitStatus::from_raw((zombie - IS_ZOMBIE) as i32);
                State::Exited(Ended::new(status, None))
            }
        }
    }

    pub(crate) fn kinship(&self, pid: Pid) -> Kinship {
        match self.child(pid).load(Ordering::SeqCst) {
            IS_GONE => Kinship::NoChild,
            _ => Kinship::Child,
        }
    }

    pub(crate) fn not_a_child(&self, pid: Pid) -> WatchError {
        WatchError::NotAChild { pid, source: None }
    }

    /// No model sends a signal.
    pub(crate) fn send_signal(
        &self,
        _pid: Pid,
        _signal: i32,
        look: impl Fn() -> Result<(), WatchError>,
    ) -> Result<(), WatchError> {
        look()
    }

    pub(crate) fn prove_proc(&self) -> Option<OwnProc> {
        None
    }

    pub(crate) fn subscribe(&self) -> Subscription {
        let inbox = self.0.inbox.get_or_init(|| Arc::new(Inbox::new()));
        Subscription(Arc::clone(inbox))
    }

    /// A model's program removes the handler before the source arms its first child, or never.
    pub(crate) fn has_handler(&self, _is_first: bool) -> bool {
        self.have_looked().remove(&thread::current().id());
        self.0.has_handler.load(Ordering::SeqCst)
    }

    /// A model's program has no handler of its own.
    pub(crate) fn may_run_another_handler(&self) -> bool {
        false
    }

    pub(crate) fn install_handler(&self) -> io::Result<()> {
        self.have_looked().remove(&thread::current().id());
        self.0.has_handler.store(true, Ordering::SeqCst);
        Ok(())
    }

    pub(crate) fn set_blocked(&self, is_blocked: bool) -> io::Result<()> {
        let Some(mask) = &self.0.mask else {
            return Ok(());
        };
        let mut now = mask.signal.lock().unwrap();
        now.is_let_through = !is_blocked;
        mask.has_changed.notify_all();
        let pending = if is_blocked { None } else { now.pending.take() };
        drop(now);
        if let Some(signal) = pending {
            self.deliver(signal);
        }
        Ok(())
    }

    pub(crate) fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    pub(crate) fn stopwatch(&self) -> Stopwatch {
        Stopwatch
    }

    /// A child that is seen after the moment may have started after it. It would be taken for
    /// another child, and reported while it lives.
    pub(crate) fn ticks(&self) -> Ticks {
        let has_looked = self.have_looked().contains(&thread::current().id());
        assert!(has_looked, "no child has been seen before this moment");
        Ticks::NEVER
    }
}

/// No time passes.
pub(crate) struct Stopwatch;

impl Stopwatch {
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}
