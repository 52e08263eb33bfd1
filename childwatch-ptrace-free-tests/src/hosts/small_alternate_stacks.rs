//! A program with an alternate stack of `MINSIGSTKSZ` bytes, for a handler that runs seldom.
//!
//! On a processor with large registers (AVX-512) the frame of a signal alone is larger. The
//! program has never had a signal there. A handler of `SIGCHLD` with `SA_ONSTACK` has.

use super::life::Life;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::exception::{Exception, Moment};
use crate::hosts::host::Host;
use crate::kit::sys::{endings, signals};

pub(super) const HOST: Host = Host {
    name: "small-alternate-stacks",
    is: "a program with an alternate stack that is too small for a signal's frame",
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
        signals::unblock_sigchld();
        let signalled = (0..5).map(|_| endings::is_signalled_on_the_smallest_stack());
        signalled.collect::<Vec<_>>()
    });
}
