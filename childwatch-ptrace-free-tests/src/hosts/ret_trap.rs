//! A program in a sandbox with a broker: seccomp traps some calls (`RET_TRAP`), and a handler
//! of `SIGSYS` answers them.

use std::fs;

use super::life::{Around, Life};
use crate::backend::facility::Facility;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::probe::Probe;
use crate::kit::sys::traps;
use crate::machine::refusal::{Refusal, trap_in_process};

pub(super) const HOST: Host = Host {
    name: "ret-trap",
    is: "a sandboxed program: seccomp traps its calls, and a handler of SIGSYS answers",
    needs: &[Need::Machine(Facility::TrappedCalls)],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    traps::serve_trapped_calls();
    for call in [
        Refusal::of(libc::SYS_openat, rustix::io::Errno::NOSYS),
        Refusal::pidfd_get_info(rustix::io::Errno::NOSYS),
    ] {
        trap_in_process(call).expect("the needs have been looked at");
    }
    life.goes_on(|around| {
        let here = reads_through_the_broker();
        let elsewhere = around.on_another_thread(life.stage(), reads_through_the_broker);
        let mut child = RealNursery.spawn();
        child.die(End::Code(3));
        assert_reported_once_reaped(life, around);
        (here, elsewhere, child.reap())
    });
}

/// What a file says that is opened by a call which traps, and how many calls have trapped.
fn reads_through_the_broker() -> (String, usize) {
    traps::count_trapped_calls(|| {
        fs::read_to_string("/proc/self/comm").expect("the broker opens it")
    })
}

/// Has the watcher's own thread ask about a child that is no zombie any more, by a call that
/// traps.
fn assert_reported_once_reaped(life: &Life<'_>, around: Around<'_>) {
    let (Some(watcher), stage) = (around.watcher, life.stage()) else {
        return;
    };
    let (mut child, probe) = (stage.child(), Probe::new());
    let watched = watcher.watch(child.pid(), probe.callback());
    watched.expect("the watcher takes a child");
    let occupied = stage.occupy(watcher);
    child.die(End::Code(6));
    child.reap();
    occupied.release();
    let status = probe.ran_once().status();
    assert!(
        status.is_none_or(|status| status.code() == Some(6)),
        "{status:?} is told of a child that exited with 6"
    );
}
