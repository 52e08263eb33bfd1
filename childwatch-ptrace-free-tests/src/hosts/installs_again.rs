//! A program with a handler that calls the previous one. It installs the handler a second
//! time, because another handler is there now.
//!
//! Libraries do so that start children in a host which they do not know. If the other
//! handler calls on what it found, the two call each other until the stack ends.

use super::life::Life;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::exception::{Exception, Moment};
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::sys::chained::Chained;

pub(super) const HOST: Host = Host {
    name: "installs-again",
    is: "a library that installs its handler of SIGCHLD again whenever another is there",
    needs: &[Need::Backend(Feature::NoHandlerOfTheProgram)],
    exceptions: &[Exception {
        at: &[Moment::Watching, Moment::GivenBack, Moment::Dropped],
        unless: Feature::NoSignalHandler,
        notices: "the two handlers call each other until the stack ends",
    }],
    live,
};

fn live(life: &Life<'_>) {
    life.goes_on(|_| {
        Chained::install();
        let codes = 0..5;
        codes.map(runs_for_an_exit).collect::<Vec<_>>()
    });
}

/// Returns how often the handler has run for a child's exit, on the one thread that lets the
/// signal through.
fn runs_for_an_exit(code: u8) -> usize {
    let before = Chained::runs();
    let mut child = RealNursery.spawn();
    child.die(End::Code(code));
    child.reap();
    Chained::runs() - before
}
