//! A program that has no `/proc`, as in a bare chroot or early in the start of a system.

use std::fs;
use std::io::ErrorKind;

use super::apart;
use super::life::Life;
use super::plain;
use crate::backend::facility::Facility;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::machine::namespace;

pub(super) const HOST: Host = Host {
    name: "no-proc",
    is: "a program that has no /proc, as in a bare chroot",
    needs: &[
        Need::Machine(Facility::PidNamespace),
        Need::Backend(Feature::WithoutProc),
    ],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    apart::in_a_new_pid_namespace(|| {
        namespace::hide_proc().expect("an empty /proc");
        life.goes_on(|_| {
            let codes: Vec<_> = (0..10).map(plain::exits_with).collect();
            (codes, kill_a_child(), what_proc_answers())
        });
    });
}

fn kill_a_child() -> Option<std::process::ExitStatus> {
    let mut child = RealNursery.spawn();
    child.die(End::Signal(libc::SIGKILL as u8));
    child.reap()
}

fn what_proc_answers() -> [Option<ErrorKind>; 2] {
    ["/proc/self/stat", "/proc/1/stat"].map(|path| fs::read(path).err().map(|error| error.kind()))
}
