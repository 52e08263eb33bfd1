//! A tracer of its own children, such as `strace COMMAND` or a sandbox that uses `ptrace`.

use childwatch_core::PidWatcher;

use super::life::{Around, Life};
use super::tracing::Session;
use crate::backend::facility::Facility;
use crate::backend::feature::Feature;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::actor::{Actor, Role};
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::probe::Probe;
use crate::kit::sys::death;
use crate::kit::sys::tracing::Seen;

pub(super) const HOST: Host = Host {
    name: "traces-its-children",
    is: "a tracer of its own children: their calls, execs, signals and group-stops",
    needs: &[Need::Machine(Facility::Ptrace)],
    exceptions: &[],
    live,
};

fn live(life: &Life<'_>) {
    life.goes_on(|around| (traces_calls(life, around), traces_a_program(life, around)));
}

/// A watched child's stops are not exits, and its exit is reported once.
fn watch(life: &Life<'_>, around: Around<'_>, pid: childwatch_core::Pid) -> Option<Probe> {
    let watches = life
        .stage()
        .backend()
        .offers(Feature::RealProcesses)
        .is_ok();
    let watcher: &dyn PidWatcher = around.watcher.filter(|_| watches)?;
    let probe = Probe::new();
    let watched = watcher.watch(pid, probe.callback());
    watched.expect("the watcher takes a traced child");
    Some(probe)
}

#[track_caller]
fn assert_reported_with(probe: Option<Probe>, code: i32) {
    if let Some(probe) = probe {
        let status = probe.ran_once().status();
        assert_eq!(status.and_then(|status| status.code()), Some(code));
    }
}

#[track_caller]
fn assert_not_reported(probe: Option<&Probe>) {
    let runs = probe.map_or(0, Probe::runs);
    assert_eq!(runs, 0, "a tracee is reported that lives");
}

/// From an interrupted `read` to the exit.
fn traces_calls(life: &Life<'_>, around: Around<'_>) -> Vec<Seen> {
    let mut child = RealNursery.spawn();
    let probe = watch(life, around, child.pid());
    let mut session = Session::begin(child.pid());
    session.tracee.interrupt().expect("it lives");
    assert_eq!(session.sees(), Seen::INTERRUPTED);
    child.let_go(End::Code(5));
    session.tracee.go_on_to_call().expect("it stands");
    while session.sees() == Seen::Call {
        assert_not_reported(probe.as_ref());
        session.tracee.go_on_to_call().expect("it stands");
    }
    assert_eq!(session.seen.last(), Some(&Seen::EXITING));
    assert_not_reported(probe.as_ref());
    session.tracee.go_on(0).expect("it stands");
    let seen = session.follow_to_the_end();
    assert_reported_with(probe, 5);
    assert_eq!(child.reap().and_then(|status| status.code()), Some(5));
    seen
}

/// A program that executes another, is stopped, and goes on.
fn traces_a_program(life: &Life<'_>, around: Around<'_>) -> Vec<Seen> {
    let mut program = Actor::start(&mut Role::ExecAtCue.command());
    let pid = program.wait_until_ready();
    let probe = watch(life, around, pid);
    let mut session = Session::begin(pid);
    program.cue();
    session.sees_and_goes_on(Seen::EXECUTED);
    program.wait_until_ready();

    death::send(pid, libc::SIGSTOP);
    assert_eq!(session.sees(), Seen::Signal(libc::SIGSTOP));
    session.tracee.go_on(libc::SIGSTOP).expect("it stands");
    assert_eq!(session.sees(), Seen::GROUP_STOP);
    session.tracee.stay_stopped().expect("it stands");
    assert_not_reported(probe.as_ref());
    death::send(pid, libc::SIGCONT);
    session.sees_and_goes_on(Seen::INTERRUPTED);
    assert_eq!(session.sees(), Seen::Signal(libc::SIGCONT));
    session.tracee.go_on(libc::SIGCONT).expect("it stands");

    assert_not_reported(probe.as_ref());
    program.end_input();
    let seen = session.follow_to_the_end();
    assert_reported_with(probe, 7);
    let status = program
        .child()
        .wait()
        .expect("it is this program's to reap");
    assert_eq!(status.code(), Some(7));
    seen
}
