//! [`Board`]: what the supervisor and the scenario know in common: which call is to fail,
//! which phase it is, and what has been seen.
//!
//! The supervisor answers threads that may hold any lock, the allocator's included. So
//! what it does takes none: the board is made of atomics.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::call::Call;
use super::exempt;
use super::fault::Fault;
use super::notices::{Answer, Notice};
use super::table::{BELL, CALLS, EPOLL_WAIT, POLL, SELECT};
use super::when::{Phase, When};

/// More than any architecture's last.
const NUMBERS: usize = 1_024;
const NO_PHASE: usize = Phase::ALL.len();

/// All operations are sequentially consistent.
#[derive(Debug)]
pub(super) struct Board {
    fault: Option<Fault>,
    /// The thread that calls the watcher.
    caller: AtomicU32,
    phase: AtomicUsize,
    /// Calls in the fault's phase that it may concern.
    met: AtomicU32,
    failed: AtomicU32,
    /// Calls that are neither in the table nor exempt, by their numbers.
    unknown: [AtomicU32; NUMBERS],
    epoll_waits: AtomicU32,
    bell_waits: AtomicU32,
    polls: AtomicU32,
}

/// How often the watcher's threads have begun to wait.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waits {
    /// For epoll's events.
    pub(super) epoll: u32,
    /// For a bell.
    pub(super) bell: u32,
    /// For a driver's descriptor.
    pub(super) polls: u32,
}

impl Board {
    pub(super) fn new(fault: Option<Fault>) -> Self {
        Board {
            fault,
            caller: AtomicU32::new(0),
            phase: AtomicUsize::new(NO_PHASE),
            met: AtomicU32::new(0),
            failed: AtomicU32::new(0),
            unknown: [const { AtomicU32::new(0) }; NUMBERS],
            epoll_waits: AtomicU32::new(0),
            bell_waits: AtomicU32::new(0),
            polls: AtomicU32::new(0),
        }
    }

    pub(super) fn set_caller(&self, thread: u32) {
        self.caller.store(thread, Ordering::SeqCst);
    }

    pub(super) fn begin(&self, phase: Phase) {
        self.phase.store(phase as usize, Ordering::SeqCst);
    }

    pub(super) fn end_phase(&self) {
        self.phase.store(NO_PHASE, Ordering::SeqCst);
    }

    /// How many calls have failed.
    pub(super) fn failed(&self) -> u32 {
        self.failed.load(Ordering::SeqCst)
    }

    pub(super) fn waits(&self) -> Waits {
        Waits {
            epoll: self.epoll_waits.load(Ordering::SeqCst),
            bell: self.bell_waits.load(Ordering::SeqCst),
            polls: self.polls.load(Ordering::SeqCst),
        }
    }

    /// The numbers of the calls that are neither in the table nor exempt.
    pub(super) fn unknown(&self) -> impl Iterator<Item = usize> + '_ {
        let met = |number: &usize| self.unknown[*number].load(Ordering::SeqCst) > 0;
        (0..NUMBERS).filter(met)
    }

    /// What is to become of a call. It takes no lock and no memory.
    pub(super) fn judge(&self, notice: &Notice) -> Answer {
        let phase = self.phase.load(Ordering::SeqCst);
        let by_caller = notice.thread == self.caller.load(Ordering::SeqCst);
        self.account(notice, by_caller);
        match &self.fault {
            Some(fault) if fault.concerns(notice, by_caller) => self.decide(fault, phase),
            _ => Answer::Proceed,
        }
    }

    fn decide(&self, fault: &Fault, phase: usize) -> Answer {
        let begins = fault.phase as usize;
        let is_phase = phase == begins;
        let met = if is_phase {
            self.met.fetch_add(1, Ordering::SeqCst) + 1
        } else {
            self.met.load(Ordering::SeqCst)
        };
        let fails = match fault.when {
            When::Nth(number) => is_phase && met == number,
            When::Lasting => is_phase,
            // What comes between two phases too, once its own has begun.
            When::ForGood => is_phase || met > 0,
        };
        if !fails {
            return Answer::Proceed;
        }
        self.failed.fetch_add(1, Ordering::SeqCst);
        Answer::Fail(fault.errno)
    }

    fn account(&self, notice: &Notice, by_caller: bool) {
        let mut is_known = exempt::is_exempt(notice.call);
        for call in CALLS.iter().filter(|call| call.is_made(notice, by_caller)) {
            is_known = true;
            self.note_wait(call);
        }
        let number = usize::try_from(notice.call).unwrap_or(NUMBERS);
        match self.unknown.get(number) {
            Some(unknown) if !is_known => {
                unknown.fetch_add(1, Ordering::SeqCst);
            }
            _ => {}
        }
    }

    fn note_wait(&self, call: &Call) {
        match call.name {
            EPOLL_WAIT => self.epoll_waits.fetch_add(1, Ordering::SeqCst),
            BELL => self.bell_waits.fetch_add(1, Ordering::SeqCst),
            POLL | SELECT => self.polls.fetch_add(1, Ordering::SeqCst),
            _ => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    fn fault(when: When) -> Fault {
        Fault {
            call: CALLS.iter().find(|call| call.name == "close").unwrap(),
            errno: Errno::IO,
            phase: Phase::Telling,
            when,
        }
    }

    /// Which of the calls before, in, between and after the fault's phase fail.
    fn failing(when: When) -> Vec<usize> {
        let board = Board::new(Some(fault(when)));
        let close = Notice::of(libc::SYS_close);
        let mut answers = Vec::new();
        for phase in [Phase::Making, Phase::Telling, Phase::Dropping] {
            board.begin(phase);
            answers.extend([(); 2].map(|()| board.judge(&close)));
            assert_eq!(board.judge(&Notice::of(libc::SYS_read)), Answer::Proceed);
            board.end_phase();
            answers.push(board.judge(&close));
        }
        let fails = |index: &usize| answers[*index] == Answer::Fail(Errno::IO);
        (0..answers.len()).filter(fails).collect()
    }

    #[test]
    fn a_call_fails_in_its_phase_alone_or_from_there_on() {
        assert_eq!(failing(When::Nth(1)), [3]);
        assert_eq!(failing(When::Nth(2)), [4]);
        assert_eq!(failing(When::Nth(3)), []);
        assert_eq!(failing(When::Lasting), [3, 4]);
        assert_eq!(failing(When::ForGood), [3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn a_call_that_is_neither_in_the_table_nor_exempt_is_noticed() {
        let board = Board::new(None);
        board.judge(&Notice::of(libc::SYS_close));
        board.judge(&Notice::of(libc::SYS_futex));
        assert_eq!(board.unknown().count(), 0);
        board.judge(&Notice::of(libc::SYS_socket));
        let unknown: Vec<_> = board.unknown().collect();
        assert_eq!(unknown, [libc::SYS_socket as usize]);
    }
}
