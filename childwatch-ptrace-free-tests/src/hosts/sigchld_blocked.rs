//! A program that was started with `SIGCHLD` blocked, as by a parent that blocks it on its
//! own thread.

use super::inherited::signals_of_a_new_program;
use super::life::Life;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::sys::signals;
use crate::machine::anew;

pub(super) const HOST: Host = Host {
    name: "sigchld-blocked",
    is: "a program that inherited a blocked SIGCHLD",
    needs: &[
        Need::Backend(Feature::NoHandlerOfTheProgram),
        Need::Backend(Feature::BlockedSignals),
    ],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    anew::inheriting(signals::block_sigchld);
    life.goes_on(|_| {
        let mut child = RealNursery.spawn();
        child.die(End::Code(3));
        let status = child.reap();
        (
            status,
            signals::blocked_signals(),
            signals_of_a_new_program(),
        )
    });
}
