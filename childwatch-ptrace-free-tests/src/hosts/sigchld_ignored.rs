//! A program that was started with `SIGCHLD` ignored: the kernel reaps its children.

use std::mem;

use super::children::Children;
use super::life::Life;
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::sys::signals::SigchldAction;
use crate::machine::anew;

pub(super) const HOST: Host = Host {
    name: "sigchld-ignored",
    is: "a program that inherited an ignored SIGCHLD: the kernel reaps its children",
    needs: &[],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    inherit();
    life.goes_on_where(Children::AreReaped, |_| {
        let ends = [End::Code(0), End::Code(7), End::Signal(libc::SIGKILL as u8)];
        ends.map(leaves_a_zombie)
    });
}

pub(super) fn inherit() {
    anew::inheriting(|| mem::forget(SigchldAction::ignored()));
}

fn leaves_a_zombie(end: End) -> bool {
    let mut child = RealNursery.spawn();
    child.die(end);
    child.reap().is_some()
}
