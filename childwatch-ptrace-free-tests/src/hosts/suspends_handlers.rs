//! A runtime that suspends a light thread inside a handler, on the alternate stack, and goes on
//! with another. The frame of the handler stays there.
//!
//! The kernel takes an alternate stack for free when the stack pointer is elsewhere. So the
//! next handler with `SA_ONSTACK` overwrites the frame. This program blocks its own signals
//! meanwhile. It had no reason to block `SIGCHLD`.

use super::life::Life;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::exception::{Exception, Moment};
use crate::hosts::host::Host;
use crate::kit::sys::{endings, signals};

pub(super) const HOST: Host = Host {
    name: "suspends-handlers",
    is: "a runtime that suspends light threads in handlers, whose frames stay on alternate stacks",
    needs: &[Need::Backend(Feature::NoHandlerOfTheProgram)],
    exceptions: &[Exception {
        at: &[Moment::Watching, Moment::GivenBack, Moment::Dropped],
        unless: Feature::NoSignalHandler,
        notices: "SIGCHLD is handled on that stack, and overwrites the suspended frame",
    }],
    live,
};

fn live(life: &Life<'_>) {
    life.goes_on(|_| {
        signals::unblock_sigchld();
        let kept = (0..5).map(|_| endings::keeps_a_frame_on_an_alternate_stack());
        kept.collect::<Vec<_>>()
    });
}
