//! The real [`PollableSigchldSource`], over a simulated kernel: nothing is lost between the
//! descriptor and the look, and no closed descriptor is used.
//!
//! Each loop collects only when the descriptor is readable. No time passes, so a timer never
//! makes it so.

use std::sync::Arc;

use childwatch_core::interleavings;
use childwatch_core::source::{ExitSource, PollableSource, Report};
use loom::thread::{self, JoinHandle};

use super::source::{pid, report, token};
use crate::kernel::Kernel;
use crate::listen::wire::Wire;
use crate::poller::Poller;
use crate::source::Signals;
use crate::{PollableSigchldSource, PollableSigchldWaiter, SigchldSource};

/// The first child of a model. The one before it is used up before the model begins.
const FIRST: usize = 2;

struct Stage {
    kernel: Kernel,
    source: Arc<PollableSigchldSource>,
    waiter: PollableSigchldWaiter,
}

impl Stage {
    /// A source that has reported one child, and whose descriptor is not readable. Each of its
    /// atomics has been stored to, as loom needs it.
    fn with_children(count: usize) -> Self {
        let kernel = Kernel::with_children(FIRST - 1 + count);
        let signals = Signals::Handler(kernel.subscribe());
        let source = SigchldSource::over(kernel.clone(), signals).unwrap();
        let (source, waiter) = PollableSigchldSource::over(source).unwrap();
        let mut stage = Stage {
            kernel,
            source: Arc::new(source),
            waiter,
        };
        let dead = FIRST - 1;
        stage.arm(dead);
        stage.kernel.exit(pid(dead), 0);
        stage.kernel.signal(pid(dead), 0);
        assert_eq!(stage.reports(1), [report(dead, 0)]);
        stage.source.disarm(token(dead));
        stage.rest();
        stage
    }

    fn arm(&self, child: usize) {
        self.source.arm(pid(child), token(child)).unwrap();
    }

    /// Collects when the descriptor is readable, until so many exits have been reported.
    fn reports(&mut self, count: usize) -> Vec<Report> {
        let mut reports = Vec::new();
        while reports.len() < count {
            self.source.poller().wait().unwrap();
            self.source.collect(&mut self.waiter, &mut reports).unwrap();
        }
        reports.sort_by_key(|report| report.token.index());
        reports
    }

    /// Collects until the descriptor is not readable.
    fn rest(&mut self) {
        let mut reports = Vec::new();
        while self.source.poller().is_readable() {
            self.source.collect(&mut self.waiter, &mut reports).unwrap();
        }
        assert_eq!(reports, []);
    }

    fn begin(
        &self,
        call: impl FnOnce(&Kernel, &PollableSigchldSource) + 'static,
    ) -> JoinHandle<()> {
        let (kernel, source) = (self.kernel.clone(), Arc::clone(&self.source));
        thread::spawn(move || call(&kernel, &source))
    }
}

/// The signal names another child, so only a look or a sweep finds the exit.
#[test]
fn an_exit_makes_the_descriptor_readable() {
    interleavings::preempted(3, || {
        let mut stage = Stage::with_children(1);
        let exiting = stage.begin(|kernel, _| {
            kernel.exit(pid(FIRST), 3);
            kernel.signal_another();
        });
        stage.arm(FIRST);
        assert_eq!(stage.reports(1), [report(FIRST, 3)]);
        exiting.join().unwrap();
        stage.rest();
    });
}

/// The collection makes one chunk of the sweep, which is one child in a model, and leaves the
/// others to the next one.
#[test]
fn what_a_sweep_leaves_makes_the_descriptor_readable() {
    interleavings::preempted(2, || {
        let mut stage = Stage::with_children(2);
        stage.arm(FIRST);
        stage.arm(FIRST + 1);
        stage.rest();
        let exiting = stage.begin(|kernel, _| {
            kernel.exit(pid(FIRST), 3);
            kernel.exit(pid(FIRST + 1), 4);
            kernel.signal_another();
        });
        let expected = [report(FIRST, 3), report(FIRST + 1, 4)];
        assert_eq!(stage.reports(2), expected);
        exiting.join().unwrap();
        stage.rest();
    });
}

/// No signal comes: what the call has found must make the descriptor readable.
#[test]
fn a_zombie_that_is_armed_makes_the_descriptor_readable() {
    interleavings::preempted(3, || {
        let mut stage = Stage::with_children(1);
        stage.kernel.exit(pid(FIRST), 3);
        let arming = stage.begin(|_, source| source.arm(pid(FIRST), token(FIRST)).unwrap());
        assert_eq!(stage.reports(1), [report(FIRST, 3)]);
        arming.join().unwrap();
    });
}

/// S10: a wake that comes during a collection may be answered by that one or by the next.
#[test]
fn a_wake_makes_the_descriptor_readable() {
    interleavings::preempted(3, || {
        let mut stage = Stage::with_children(0);
        for _ in 0..2 {
            let waking = stage.begin(|_, source| source.wake().unwrap());
            stage.source.poller().wait().unwrap();
            waking.join().unwrap();
            stage.rest();
        }
    });
}

/// A handler that runs while the source is dropped. The kernel of the model does not let a
/// closed descriptor be rung.
#[test]
fn a_closed_descriptor_is_not_rung() {
    interleavings::all(|| {
        let poller = Poller::new().unwrap();
        let wire = Arc::new(Wire::default());
        wire.connect(poller.ends());
        wire.notify().unwrap();
        let ringing = thread::spawn({
            let wire = Arc::clone(&wire);
            move || wire.notify().unwrap()
        });
        assert!(wire.disconnect());
        drop(poller);
        ringing.join().unwrap();
        wire.notify().unwrap();
    });
}
