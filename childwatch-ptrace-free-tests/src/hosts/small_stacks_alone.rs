//! A program with coroutines on small stacks, and without alternate stacks for signals.
//!
//! The stack is nearly full when `SIGCHLD` comes. A handler has no room anywhere. The program
//! has never had a signal there.

use super::life::Life;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::exception::{Exception, Moment};
use crate::hosts::host::Host;
use crate::kit::sys::stacks;

pub(super) const HOST: Host = Host {
    name: "small-stacks-alone",
    is: "a program with nearly full coroutine stacks, and without alternate ones for signals",
    needs: &[Need::Backend(Feature::NoHandlerOfTheProgram)],
    exceptions: &[Exception {
        at: &[Moment::Watching, Moment::GivenBack, Moment::Dropped],
        unless: Feature::NoSignalHandler,
        notices: "SIGCHLD is handled on that stack: the program ends by SIGSEGV, or memory below \
                  the stack is overwritten",
    }],
    live,
};

fn live(life: &Life<'_>) {
    life.goes_on(|_| {
        let signalled = (0..5).map(|_| stacks::signal_at_the_end_of_a_lone_stack());
        signalled.collect::<Vec<()>>().len()
    });
}
