//! A runtime with a garbage collector that stops its threads by signals, and scans their stacks
//! from where the handlers run. The handlers use no alternate stack, so that each runs on the
//! stack that it interrupts.
//!
//! If a handler of `SIGCHLD` runs on the alternate stack, and a signal of the collector interrupts
//! it, the collector's handler runs on the alternate stack too. The collector then takes this
//! stack for that of the thread. If several signals come so, the alternate stack overflows.

use super::life::Life;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::sys::{signals, stacks};

pub(super) const HOST: Host = Host {
    name: "scans-stacks",
    is: "a garbage collector that stops threads by signals, and scans stacks from its handlers on",
    needs: &[Need::Backend(Feature::NoHandlerOfTheProgram)],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    life.goes_on(|_| {
        signals::unblock_sigchld();
        let elsewhere = (0..5).map(|_| stacks::handlers_on_an_alternate_stack());
        elsewhere.collect::<Vec<_>>()
    });
}
