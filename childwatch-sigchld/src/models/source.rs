//! The real [`SigchldSource`], over a simulated kernel: no exit and no wake is lost.
//!
//! No heartbeat comes, because no time passes in a model. So if an exit is not found by its
//! signal, or if nothing ends a wait, the model is in a deadlock.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};

use childwatch_core::source::{ExitSource, Report, Token};
use childwatch_core::{Pid, interleavings};
use loom::thread::{self, JoinHandle};

use super::event_count::use_once;
use crate::kernel::Kernel;
use crate::source::Signals;
use crate::{SigchldSource, SigchldWaiter};

/// The first child of a model. The children before it have exited before the model begins.
const FIRST: usize = 3;

struct Stage {
    kernel: Kernel,
    source: Arc<SigchldSource>,
    waiter: SigchldWaiter,
}

impl Stage {
    /// A source that has reported one child, and has answered every signal. Each of its atomics has
    /// been stored once, as loom needs it.
    fn new(kernel: Kernel) -> Self {
        let (source, waiter) =
            SigchldSource::over(kernel.clone(), Signals::Handler(kernel.subscribe())).unwrap();
        let mut stage = Stage {
            kernel,
            source: Arc::new(source),
            waiter,
        };
        use_once(&stage.kernel.inbox().event_count);
        let (dead, alive) = (FIRST - 2, FIRST - 1);
        stage.arm(dead);
        stage.kernel.exit(pid(dead), 0);
        stage.kernel.signal(pid(dead), 0);
        assert_eq!(stage.wait(), [report(dead, 0)]);
        stage.source.disarm(token(dead));
        // Each wait makes a chunk of the sweep. The last chunk answers the signal.
        stage.arm(alive);
        for _ in 0..2 {
            stage.source.wake().unwrap();
            assert_eq!(stage.wait(), []);
        }
        assert!(stage.waiter.is_at_rest(&stage.source));
        stage.source.disarm(token(alive));
        stage.source.wake().unwrap();
        assert_eq!(stage.wait(), []);
        stage
    }

    /// The same, with so many living children from [`FIRST`] on.
    fn with_children(count: usize) -> Self {
        Self::new(Kernel::with_children(FIRST - 1 + count))
    }

    fn arm(&self, child: usize) {
        self.source.arm(pid(child), token(child)).unwrap();
    }

    fn wait(&mut self) -> Vec<Report> {
        let mut reports = Vec::new();
        self.source.wait(&mut self.waiter, &mut reports).unwrap();
        reports
    }

    /// Waits until so many exits have been reported, in the order of the children.
    fn reports(&mut self, count: usize) -> Vec<Report> {
        let mut reports = Vec::new();
        while reports.len() < count {
            reports.extend(self.wait());
        }
        reports.sort_by_key(|report| report.token.index());
        reports
    }

    fn begin(&self, call: impl FnOnce(&Kernel, &SigchldSource) + 'static) -> JoinHandle<()> {
        let (kernel, source) = (self.kernel.clone(), Arc::clone(&self.source));
        thread::spawn(move || call(&kernel, &source))
    }
}

pub(super) fn pid(child: usize) -> Pid {
    Pid::try_from(child as i32).unwrap()
}

pub(super) fn token(child: usize) -> Token {
    Token::from_parts(child as u32, 0)
}

pub(super) fn report(child: usize, code: i32) -> Report {
    Report::new(token(child), Some(ExitStatus::from_raw(code << 8)))
}

/// The look sees the exit, or the signal arrives.
#[test]
fn an_exit_that_races_its_arming_is_reported() {
    interleavings::preempted(4, || {
        let mut stage = Stage::with_children(1);
        let exiting = stage.begin(|kernel, _| {
            kernel.exit(pid(FIRST), 3);
            kernel.signal_another();
        });
        stage.arm(FIRST);
        assert_eq!(stage.reports(1), [report(FIRST, 3)]);
        exiting.join().unwrap();
    });
}

/// The same for the first child of a process. Its arming installs the handler.
#[test]
fn an_exit_that_races_the_installation_of_the_handler_is_reported() {
    interleavings::preempted(4, || {
        let mut stage = Stage::with_children(1);
        stage.kernel.remove_handler();
        let exiting = stage.begin(|kernel, _| {
            kernel.exit(pid(FIRST), 3);
            kernel.signal_another();
        });
        stage.arm(FIRST);
        assert_eq!(stage.reports(1), [report(FIRST, 3)]);
        exiting.join().unwrap();
    });
}

/// As above, in a program that blocks the signal on its own threads. The thread then lets
/// the signal through before it sleeps.
#[test]
fn a_signal_that_only_the_watchers_thread_can_take_is_taken() {
    interleavings::preempted(5, || {
        let mut stage = Stage::new(Kernel::with_blocked_signal(FIRST));
        let exiting = stage.begin(|kernel, _| {
            kernel.exit(pid(FIRST), 3);
            kernel.signal_another();
        });
        stage.arm(FIRST);
        assert_eq!(stage.reports(1), [report(FIRST, 3)]);
        assert!(!stage.kernel.is_let_through(), "callbacks run now");
        exiting.join().unwrap();
    });
}

/// The first child's arming wakes the thread, which lets the signal through. The last
/// child's disarming wakes it too, and it gives the signal back.
#[test]
fn a_sleeping_thread_takes_the_signal_only_while_a_child_is_armed() {
    interleavings::preempted(2, || {
        let mut stage = Stage::new(Kernel::with_blocked_signal(FIRST));
        let calling = stage.begin(|kernel, source| {
            source.arm(pid(FIRST), token(FIRST)).unwrap();
            kernel.wait_until_let_through(true);
            source.disarm(token(FIRST));
            kernel.wait_until_let_through(false);
            source.wake().unwrap();
        });
        assert_eq!(stage.wait(), []);
        calling.join().unwrap();
    });
}

/// The hint belongs to a later epoch than the arming.
#[test]
fn a_child_that_is_reaped_at_once_is_reported_with_its_signals_status() {
    // Not a part of the model: loom does not see it.
    let met = Arc::new(Mutex::new(BTreeSet::new()));
    interleavings::preempted(3, {
        let met = Arc::clone(&met);
        move || {
            let mut stage = Stage::with_children(1);
            let exiting = stage.begin(|kernel, _| {
                kernel.exit(pid(FIRST), 3);
                kernel.signal(pid(FIRST), 3);
                kernel.reap(pid(FIRST));
            });
            // The child may have been reaped by then.
            let is_armed = stage.source.arm(pid(FIRST), token(FIRST)).is_ok();
            if is_armed {
                assert_eq!(stage.reports(1), [report(FIRST, 3)]);
            } else {
                assert!(!stage.kernel.inbox().is_open());
            }
            met.lock().unwrap().insert(is_armed);
            exiting.join().unwrap();
        }
    });
    assert_eq!(met.lock().unwrap().len(), 2, "{met:?}");
}

/// The sweep answers only the epoch that was read before its first look.
#[test]
fn an_exit_behind_the_cursor_of_a_sweep_is_reported() {
    interleavings::preempted(3, || {
        let mut stage = Stage::with_children(2);
        stage.arm(FIRST);
        stage.arm(FIRST + 1);
        stage.kernel.signal_another();
        let exiting = stage.begin(|kernel, _| {
            kernel.exit(pid(FIRST), 3);
            kernel.exit(pid(FIRST + 1), 4);
            kernel.signal_another();
        });
        let expected = [report(FIRST, 3), report(FIRST + 1, 4)];
        assert_eq!(stage.reports(2), expected);
        exiting.join().unwrap();
    });
}

/// The cursor of the sweep may have passed an entry that is inserted meanwhile.
#[test]
fn children_that_are_armed_during_a_sweep_are_reported_once() {
    interleavings::preempted(2, || {
        let mut stage = Stage::with_children(2);
        let arming = [FIRST, FIRST + 1].map(|child| {
            stage.begin(move |kernel, source| {
                source.arm(pid(child), token(child)).unwrap();
                kernel.exit(pid(child), child as u32);
                kernel.signal_another();
            })
        });
        stage.kernel.signal_another();
        let expected = [FIRST, FIRST + 1].map(|child| report(child, child as i32));
        assert_eq!(stage.reports(2), expected);
        for arming in arming {
            arming.join().unwrap();
        }
        stage.source.wake().unwrap();
        assert_eq!(stage.wait(), [], "reported twice");
    });
}

/// A chunk is one child in a model. Between two chunks, an entry before the cursor and the entry at
/// the cursor are removed, and another child gets that place.
#[test]
fn an_exit_is_reported_whatever_changes_at_the_cursor_of_a_sweep() {
    interleavings::preempted(2, || {
        let mut stage = Stage::with_children(4);
        for child in FIRST..FIRST + 3 {
            stage.arm(child);
        }
        let next = Token::from_parts(FIRST as u32 + 1, 1);
        let changing = stage.begin(move |kernel, source| {
            source.disarm(token(FIRST));
            source.disarm(token(FIRST + 1));
            source.arm(pid(FIRST + 3), next).unwrap();
            kernel.exit(pid(FIRST + 2), 4);
            kernel.exit(pid(FIRST + 3), 5);
            kernel.signal_another();
        });
        stage.kernel.signal_another();
        let next = Report::new(next, report(FIRST + 1, 5).status);
        assert_eq!(stage.reports(2), [next, report(FIRST + 2, 4)]);
        changing.join().unwrap();
    });
}

/// The ring has two places in a model. A sweep finds the exits whose hints had no place.
#[test]
fn more_exits_than_hints_are_reported() {
    interleavings::preempted(2, || {
        let mut stage = Stage::with_children(3);
        let children = FIRST..FIRST + 3;
        children.clone().for_each(|child| stage.arm(child));
        let exiting = stage.begin({
            let children = children.clone();
            move |kernel, _| {
                for child in children {
                    kernel.exit(pid(child), child as u32);
                    kernel.signal(pid(child), child as i32);
                }
            }
        });
        let expected: Vec<_> = children.map(|child| report(child, child as i32)).collect();
        assert_eq!(stage.reports(3), expected);
        exiting.join().unwrap();
    });
}

/// An idle thread answers no signal.
#[test]
fn a_child_that_is_armed_while_the_thread_is_idle_is_reported() {
    interleavings::preempted(3, || {
        let mut stage = Stage::with_children(1);
        let calling = stage.begin(|kernel, source| {
            source.arm(pid(FIRST), token(FIRST)).unwrap();
            kernel.exit(pid(FIRST), 3);
            kernel.signal_another();
        });
        assert_eq!(stage.reports(1), [report(FIRST, 3)]);
        calling.join().unwrap();
    });
}

/// The inbox is open while anything is armed.
#[test]
fn a_child_that_is_armed_as_the_last_one_is_disarmed_is_reported() {
    interleavings::all(|| {
        let mut stage = Stage::with_children(2);
        stage.arm(FIRST);
        let disarming = stage.begin(|_, source| source.disarm(token(FIRST)));
        stage.arm(FIRST + 1);
        disarming.join().unwrap();
        stage.kernel.exit(pid(FIRST + 1), 4);
        stage.kernel.signal_another();
        assert_eq!(stage.reports(1), [report(FIRST + 1, 4)]);
    });
}

/// The same with a thread that sleeps, in a program that blocks the signal. The thread must let the
/// signal through for the new child.
#[test]
fn a_sleeping_thread_takes_the_signal_of_a_child_armed_as_the_last_one_is_disarmed() {
    interleavings::preempted(2, || {
        let mut stage = Stage::new(Kernel::with_blocked_signal(FIRST + 1));
        stage.arm(FIRST);
        let disarming = stage.begin(|_, source| source.disarm(token(FIRST)));
        let arming = stage.begin(|kernel, source| {
            source.arm(pid(FIRST + 1), token(FIRST + 1)).unwrap();
            kernel.exit(pid(FIRST + 1), 4);
            kernel.signal_another();
        });
        assert_eq!(stage.reports(1), [report(FIRST + 1, 4)]);
        for thread in [disarming, arming] {
            thread.join().unwrap();
        }
    });
}

/// As above, but the arming fails.
#[test]
fn a_child_that_is_armed_as_another_is_refused_is_reported() {
    interleavings::all(|| {
        let mut stage = Stage::with_children(2);
        stage.kernel.reap(pid(FIRST));
        let refused = stage.begin(|_, source| {
            source.arm(pid(FIRST), token(FIRST)).unwrap_err();
        });
        stage.arm(FIRST + 1);
        refused.join().unwrap();
        stage.kernel.exit(pid(FIRST + 1), 4);
        stage.kernel.signal_another();
        assert_eq!(stage.reports(1), [report(FIRST + 1, 4)]);
    });
}

/// No signal comes. The call finds the exit, and must end the thread's wait.
#[test]
fn a_zombie_that_is_armed_while_the_thread_sleeps_is_reported() {
    interleavings::preempted(4, || {
        let mut stage = Stage::with_children(1);
        stage.kernel.exit(pid(FIRST), 3);
        let arming = stage.begin(|_, source| source.arm(pid(FIRST), token(FIRST)).unwrap());
        assert_eq!(stage.reports(1), [report(FIRST, 3)]);
        arming.join().unwrap();
    });
}

/// The same, but the call finds its child reaped.
#[test]
fn a_child_that_a_caller_finds_reaped_while_the_thread_sleeps_is_reported() {
    interleavings::preempted(4, || {
        let mut stage = Stage::with_children(1);
        stage.arm(FIRST);
        let asking = stage.begin(|kernel, source| {
            assert!(!source.is_reaped(token(FIRST)));
            kernel.reap(pid(FIRST));
            assert!(source.is_reaped(token(FIRST)));
        });
        let expected = Report::new(token(FIRST), None);
        assert_eq!(stage.reports(1), [expected]);
        asking.join().unwrap();
    });
}

/// A sandbox may refuse `waitid` at any time. No child counts as gone then.
#[test]
fn a_refused_look_is_no_exit() {
    interleavings::all(|| {
        let mut stage = Stage::with_children(2);
        let (alive, dead) = (FIRST, FIRST + 1);
        stage.arm(alive);
        stage.arm(dead);
        stage.kernel.exit(pid(dead), 3);
        stage.kernel.signal(pid(dead), 3);
        assert_eq!(stage.reports(1), [report(dead, 3)]);
        for child in [alive, dead] {
            stage.kernel.refuse_looks(pid(child));
            assert!(!stage.source.is_reaped(token(child)), "it cannot be told");
        }
        assert_eq!(stage.source.look(token(alive)), None);
        stage.kernel.signal_another();
        for _ in 0..4 {
            stage.source.wake().unwrap();
            assert_eq!(stage.wait(), []);
        }
    });
}

/// A caller that looks takes the hints out of the ring, and the thread does so too. Both know the
/// status, whichever of them has taken the hint.
#[test]
fn a_caller_and_the_thread_share_the_hints() {
    interleavings::preempted(3, || {
        let mut stage = Stage::with_children(1);
        stage.arm(FIRST);
        let looking = stage.begin(|_, source| {
            let found = source.look(token(FIRST));
            assert!(found.is_none_or(|found| found == report(FIRST, 3)));
        });
        stage.kernel.exit(pid(FIRST), 3);
        stage.kernel.signal(pid(FIRST), 3);
        stage.kernel.reap(pid(FIRST));
        assert_eq!(stage.reports(1), [report(FIRST, 3)]);
        looking.join().unwrap();
    });
}

/// The thread may be about to sleep, or asleep.
#[test]
fn a_waking_ends_one_wait() {
    interleavings::preempted(4, || wake_twice(false));
}

/// The thread may be in the middle of a sweep.
#[test]
fn a_waking_ends_the_wait_in_which_a_sweep_is_due() {
    interleavings::preempted(4, || wake_twice(true));
}

fn wake_twice(sweep_is_due: bool) {
    let mut stage = Stage::with_children(1);
    stage.arm(FIRST);
    if sweep_is_due {
        stage.kernel.signal_another();
    }
    for _ in 0..2 {
        let waking = stage.begin(|_, source| source.wake().unwrap());
        assert_eq!(stage.wait(), []);
        waking.join().unwrap();
    }
}

/// A wake and a report may end the same wait.
#[test]
fn a_waking_beside_an_exit_loses_neither() {
    interleavings::preempted(2, || {
        let mut stage = Stage::with_children(1);
        stage.arm(FIRST);
        let waking = stage.begin(|_, source| source.wake().unwrap());
        let exiting = stage.begin(|kernel, _| {
            kernel.exit(pid(FIRST), 3);
            kernel.signal_another();
        });
        assert_eq!(stage.reports(1), [report(FIRST, 3)]);
        for thread in [waking, exiting] {
            thread.join().unwrap();
        }
    });
}
