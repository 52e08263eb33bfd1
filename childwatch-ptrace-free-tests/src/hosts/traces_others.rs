//! A debugger: it attaches to processes that are not its children, and detaches.

use childwatch_core::{Pid, WatchError};

use super::life::{Around, Life};
use super::tracing::Session;
use crate::backend::facility::Facility;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::actor::{Actor, Role};
use crate::kit::probe::Probe;
use crate::kit::sys::death;
use crate::kit::sys::tracing::Seen;

pub(super) const HOST: Host = Host {
    name: "traces-others",
    is: "a debugger: it attaches to processes that are not its children, and detaches",
    needs: &[Need::Machine(Facility::Ptrace)],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    life.goes_on(|around| debugs(life, around));
}

/// Keeps a signal from a grandchild, leaves the grandchild alone, comes back, and sees it
/// exit before its parent does. Returns what the debugger and the parent have seen.
fn debugs(life: &Life<'_>, around: Around<'_>) -> (Vec<Seen>, Vec<Seen>, [String; 2]) {
    let mut parent = Actor::start(&mut Role::KeepChild.command());
    let pid: Pid = parent.line().parse().expect("the grandchild's number");
    let probe = watch(life, around, pid);

    let mut first = Session::begin(pid);
    assert_refused(life, around, pid);
    first.tracee.interrupt().expect("it lives");
    first.sees_and_goes_on(Seen::INTERRUPTED);
    // It would end the grandchild.
    death::send(pid, libc::SIGUSR1);
    assert_eq!(first.sees(), Seen::Signal(libc::SIGUSR1));
    first.tracee.detach().expect("it stands");

    let mut second = Session::begin(pid);
    second.tracee.interrupt().expect("it lives");
    second.sees_and_goes_on(Seen::INTERRUPTED);
    let runs = probe.as_ref().map_or(0, Probe::runs);
    assert_eq!(runs, 0, "a tracee is reported that lives");
    parent.cue();
    let seen = second.follow_to_the_end();
    death::reap(pid);
    let dead = parent.line();
    parent.cue();
    let reaped = parent.line();
    if let Some(probe) = probe {
        let status = probe.ran_once().status();
        assert!(
            status.is_none_or(|status| status.code() == Some(5)),
            "{status:?}"
        );
    }
    (first.seen.clone(), seen, [dead, reaped])
}

/// Watches a grandchild, if the backend can.
fn watch(life: &Life<'_>, around: Around<'_>, pid: Pid) -> Option<Probe> {
    life.stage().backend().offers(Feature::NonChildren).ok()?;
    let probe = Probe::new();
    let watched = around.watcher?.watch(pid, probe.callback());
    watched.expect("the watcher takes a grandchild");
    Some(probe)
}

/// A backend that watches children only refuses a tracee that is no child.
#[track_caller]
fn assert_refused(life: &Life<'_>, around: Around<'_>, pid: Pid) {
    if life
        .stage()
        .backend()
        .offers(Feature::ChildrenOnly)
        .is_err()
    {
        return;
    }
    if let Some(watcher) = around.watcher {
        let refused = watcher.register_pid(pid);
        assert!(
            matches!(refused, Err(WatchError::NotAChild { .. })),
            "{refused:?} of a process that is only traced"
        );
    }
}
