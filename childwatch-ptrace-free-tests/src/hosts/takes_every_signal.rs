//! An init of containers, which blocks every signal and takes each by `sigtimedwait`, to pass
//! it on to its child.
//!
//! Every signal means those too that faults raise, if somebody sends them by hand. A thread
//! that lets such a signal through gets it, and its default action ends the program.

use std::time::Duration;

use super::life::Life;
use crate::backend::feature::Feature;
use crate::hosts::exception::{Exception, Moment};
use crate::hosts::host::Host;
use crate::kit::deadline;
use crate::kit::sys::{receive, signals, threads};

pub(super) const HOST: Host = Host {
    name: "takes-every-signal",
    is: "an init that blocks every signal, and takes each by sigtimedwait",
    needs: &[],
    exceptions: &[Exception {
        at: &[Moment::Idle, Moment::Watching, Moment::GivenBack],
        unless: Feature::NoThread,
        notices: "the watcher's thread never blocks SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP and \
                  SIGSYS, so it gets such a signal that is sent to the process",
    }],
    live,
};

/// A signal that is there is taken at once. If somebody else has got it, it never comes.
const A_MOMENT: Duration = Duration::from_secs(2);

fn live(life: &Life<'_>) {
    every_signal().for_each(signals::block);
    life.goes_on(|around| {
        // The threads of the suite's cases.
        deadline::until("the program has one thread, but for the watcher's", || {
            threads::threads().len() <= 1 + usize::from(around.watcher.is_some())
        });
        let taken = every_signal().map(|signal| {
            signals::signal_self(signal);
            (signal, receive::takes_signal(signal, A_MOMENT))
        });
        taken.collect::<Vec<_>>()
    });
}

fn every_signal() -> impl Iterator<Item = i32> {
    let signals = signals::fatal_signals().map(i32::from);
    signals.filter(|signal| *signal != libc::SIGKILL)
}
