//! Tracers: what they see of their tracees, in order.

use std::mem;

use crate::kit::deadline;
use crate::kit::sys::tracing::{Seen, Tracee};

/// A tracee, and what has been seen of it. Repeated system calls are noted once, because how
/// many a C library makes is no matter here.
pub(super) struct Session {
    pub(super) tracee: Tracee,
    pub(super) seen: Vec<Seen>,
}

impl Session {
    #[track_caller]
    pub(super) fn begin(pid: childwatch_core::Pid) -> Self {
        Session {
            tracee: Tracee::seize(pid).expect("the needs have been looked at"),
            seen: Vec::new(),
        }
    }

    /// Waits for the next thing to be seen, and notes it.
    #[track_caller]
    pub(super) fn sees(&mut self) -> Seen {
        let mut next = None;
        deadline::until("the tracer sees its tracee's next stop or end", || {
            next = self.tracee.try_next().expect("it is traced");
            next.is_some()
        });
        let next = next.expect("`until` has waited for it");
        if self.seen.last() != Some(&next) || next != Seen::Call {
            self.seen.push(next);
        }
        next
    }

    /// The same, of what is known to come.
    #[track_caller]
    pub(super) fn sees_and_goes_on(&mut self, expected: Seen) {
        assert_eq!(self.sees(), expected);
        self.tracee.go_on(0).expect("it stands");
    }

    /// Follows it to its end, which is left to be reaped.
    #[track_caller]
    pub(super) fn follow_to_the_end(mut self) -> Vec<Seen> {
        loop {
            match self.sees() {
                Seen::Exited(_) | Seen::Killed(_) => return mem::take(&mut self.seen),
                Seen::Signal(signal) => self.tracee.go_on(signal),
                Seen::Call => self.tracee.go_on_to_call(),
                Seen::Event(..) => self.tracee.go_on(0),
            }
            .expect("it stands");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A tracee that stands is killed only up to its stop before the end. If a faulty watcher
        // takes that stop too, this thread would wait for the tracee without end.
        // ESRCH: the tracee is a zombie, or does not stand.
        let _ = self.tracee.detach();
    }
}
