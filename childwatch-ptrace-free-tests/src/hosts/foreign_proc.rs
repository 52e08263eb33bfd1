//! A program in a pid namespace whose `/proc` is still that of the namespace above, as
//! after `unshare --pid --fork` without `--mount-proc`.

use std::fs;

use childwatch_core::Pid;

use super::apart;
use super::life::Life;
use crate::backend::facility::Facility;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::child::{End, GatedChild, Nursery, RealNursery};
use crate::kit::deadline;

pub(super) const HOST: Host = Host {
    name: "foreign-proc",
    is: "a program in a new pid namespace, whose /proc shows the pids of the one above",
    needs: &[
        Need::Machine(Facility::PidNamespace),
        Need::Backend(Feature::WithoutProc),
    ],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    apart::in_a_new_pid_namespace(|| {
        let shown = own_number_in_proc().expect("/proc shows this process");
        assert_ne!(shown, std::process::id(), "/proc is this namespace's own");
        life.goes_on(|_| {
            let ends = [End::Code(0), End::Code(9), End::Signal(libc::SIGTERM as u8)];
            ends.map(find_and_wait_for)
        });
    });
}

/// Finds a child in `/proc` by the number that it has there, and waits for its end.
fn find_and_wait_for(end: End) -> (bool, Option<i32>) {
    let mut child = RealNursery.spawn();
    let is_found = deadline::holds_within(deadline::patience(), || finds(&*child));
    child.die(end);
    (
        is_found,
        child
            .reap()
            .map(std::os::unix::process::ExitStatusExt::into_raw),
    )
}

fn finds(child: &dyn GatedChild) -> bool {
    let parent = own_number_in_proc();
    let processes = fs::read_dir("/proc").expect("/proc is mounted");
    processes.flatten().any(|process| {
        let Ok(status) = fs::read_to_string(process.path().join("status")) else {
            return false;
        };
        let parents = field(&status, "PPid:").and_then(|parent| parent.parse().ok());
        parents == parent && is_inner(&status, child.pid())
    })
}

/// The last number of `NSpid` is the process's number in its own namespace.
fn is_inner(status: &str, pid: Pid) -> bool {
    let numbers = field(status, "NSpid:");
    numbers.and_then(|numbers| numbers.split_whitespace().last()?.parse().ok()) == Some(pid)
}

fn own_number_in_proc() -> Option<u32> {
    let link = fs::read_link("/proc/self").ok()?;
    link.to_str()?.parse().ok()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = status.lines();
    lines
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
}
