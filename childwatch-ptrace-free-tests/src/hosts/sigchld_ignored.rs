//! A program that was started with `SIGCHLD` ignored: the kernel reaps its children.

use std::mem;

use super::anew;
use super::life::{Children, Life};
use crate::child::{End, Nursery, RealNursery};
use crate::host::Host;
use crate::sys::SigchldAction;

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
