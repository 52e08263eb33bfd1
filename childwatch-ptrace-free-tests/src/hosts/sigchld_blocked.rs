//! A program that was started with `SIGCHLD` blocked, as by a parent that blocks it on its
//! own thread.

use super::anew;
use super::inherited::signals_of_a_new_program;
use super::life::Life;
use crate::backend::Need;
use crate::child::{End, Nursery, RealNursery};
use crate::host::Host;
use crate::sys;

pub(super) const HOST: Host = Host {
    name: "sigchld-blocked",
    is: "a program that inherited a blocked SIGCHLD",
    needs: &[Need::NoHandlerOfTheProgram, Need::BlockedSignals],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    anew::inheriting(sys::block_sigchld);
    life.goes_on(|_| {
        let mut child = RealNursery.spawn();
        child.die(End::Code(3));
        let status = child.reap();
        (status, sys::blocked_signals(), signals_of_a_new_program())
    });
}
