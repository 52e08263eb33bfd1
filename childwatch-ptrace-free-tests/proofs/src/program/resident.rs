//! [`Resident`]: the child that has a place of a program, and what is done to it.

use std::mem;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use childwatch_core::Pid;

use super::history::{Event, History};
use childwatch_ptrace_free_tests::kit::child::{End, GatedChild};
use childwatch_ptrace_free_tests::kit::sys::death;

/// Signals that end a child and leave no core; successive children of a number end by
/// different ones.
const SIGNALS: [i32; 8] = [
    libc::SIGKILL,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGPIPE,
    libc::SIGINT,
];

/// The child that has a place.
pub(super) struct Resident {
    pub(super) child: Box<dyn GatedChild>,
    number: usize,
    /// How many there have been in this place.
    pub(super) predecessors: usize,
    /// How it was let go, if it was.
    end: Option<End>,
    is_stopped: bool,
    pub(super) is_reaped: bool,
}

impl Resident {
    pub(super) fn new(child: Box<dyn GatedChild>, number: usize, predecessors: usize) -> Self {
        Resident {
            child,
            number,
            predecessors,
            end: None,
            is_stopped: false,
            is_reaped: false,
        }
    }

    /// What its number means in a call.
    pub(super) fn meaning(&self) -> (Pid, Option<usize>) {
        let child = (!self.is_reaped).then_some(self.number);
        (self.child.pid(), child)
    }

    pub(super) fn expected(&self) -> Option<ExitStatus> {
        Some(ExitStatus::from_raw(match self.end? {
            End::Code(code) => i32::from(code) << 8,
            End::Signal(signal) => i32::from(signal),
        }))
    }

    pub(super) fn exit(&mut self, history: &History) {
        self.let_go(history, by_code);
    }

    pub(super) fn be_killed(&mut self, history: &History) {
        self.let_go(history, by_signal);
    }

    fn let_go(&mut self, history: &History, end: fn(&Self) -> End) {
        if self.end.is_some() {
            return;
        }
        let end = end(self);
        self.end = Some(end);
        if !self.is_stopped {
            self.note_that_it_may_exit(history);
        }
        self.child.let_go(end);
    }

    fn note_that_it_may_exit(&self, history: &History) {
        if let Some(status) = self.expected() {
            history.note(Event::MayExit {
                child: self.number,
                status,
            });
        }
    }

    pub(super) fn stop(&mut self) {
        let may_exit = self.end.is_some();
        if !may_exit && !self.is_stopped && self.child.is_real() {
            self.is_stopped = true;
            death::stop(self.child.pid());
        }
    }

    pub(super) fn continue_(&mut self, history: &History) {
        if mem::take(&mut self.is_stopped) {
            self.note_that_it_may_exit(history);
            death::continue_(self.child.pid());
        }
    }

    pub(super) fn die(&mut self, history: &History) {
        if self.is_reaped {
            return;
        }
        self.exit(history);
        self.continue_(history);
        self.child.confirm_dead();
    }

    pub(super) fn reap(&mut self, history: &History) {
        if self.is_reaped {
            return;
        }
        self.die(history);
        let child = self.number;
        history.note(Event::Reaping { child });
        let status = self.child.reap();
        history.note(Event::Reaped { child, status });
        self.is_reaped = true;
    }
}

/// Each child of a program has a code of its own.
fn by_code(resident: &Resident) -> End {
    End::Code(u8::try_from(resident.number % 250).map_or(1, |number| number + 1))
}

fn by_signal(resident: &Resident) -> End {
    let signal = SIGNALS[resident.predecessors % SIGNALS.len()];
    End::Signal(u8::try_from(signal).expect("signals are small numbers"))
}
