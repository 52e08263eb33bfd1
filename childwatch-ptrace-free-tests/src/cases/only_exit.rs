//! C14: what is no exit.

use std::process::{Command, ExitStatus};

use rustix::process::{Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::backend::stage::Stage;
use crate::kit::actor::{Actor, Role};
use crate::kit::child::End;
use crate::kit::deadline;
use crate::kit::probe::Probe;
use crate::kit::sys::signals;

pub(super) fn the_leader_exits_and_a_thread_lives(stage: &Stage<'_>) {
    status_at_the_end(stage, &mut Role::LeaderExits.command());
}

pub(super) fn a_process_whose_leader_left_first_is_told_truly(stage: &Stage<'_>) {
    let status = status_at_the_end(stage, &mut Role::LeaderExits.command());
    assert_eq!(status.and_then(|status| status.code()), Some(7));
}

pub(super) fn a_thread_executes_another_program(stage: &Stage<'_>) {
    let status = status_at_the_end(stage, &mut Role::ExecFromThread.command());
    assert_eq!(status.and_then(|status| status.code()), Some(7));
}

/// Watches an actor from its start to its end; by its first line it has done what is no exit.
/// Returns the reported status.
fn status_at_the_end(stage: &Stage<'_>, command: &mut Command) -> Option<ExitStatus> {
    let watcher = stage.watcher();
    let mut actor = Actor::start(command);
    // A backend that goes by start times and signals may know less of a process that is
    // registered in the unit of its start.
    deadline::await_next(stage.backend().unit_of_start_times());
    let before = Probe::new();
    watcher.watch(actor.pid(), before.callback()).unwrap();
    actor.cue();
    assert_eq!(actor.wait_until_ready(), actor.pid());
    // Registered after it, too.
    let after = Probe::new();
    watcher.watch(actor.pid(), after.callback()).unwrap();
    stage.settle(&*watcher);
    assert_eq!(before.runs() + after.runs(), 0, "told while it lives");

    actor.end_input();
    let [told, too] = [&before, &after].map(|probe| probe.ran_once().status());
    assert_eq!(told, too);
    told
}

pub(super) fn stop_and_continue(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    let probe = Probe::new();
    watcher.watch(child.pid(), probe.callback()).unwrap();
    let number = rustix::process::Pid::from_raw(child.pid().as_raw()).unwrap();
    for (signal, state) in [
        (Signal::STOP, WaitIdOptions::STOPPED),
        (Signal::CONT, WaitIdOptions::CONTINUED),
    ] {
        kill_process(number, signal).unwrap();
        waitid(WaitId::Pid(number), state | WaitIdOptions::NOWAIT).unwrap();
        stage.settle(&*watcher);
        assert_eq!(probe.runs(), 0, "after {signal:?}");
    }
    child.die(End::Code(0));
    probe.ran_once();
}

pub(super) fn a_child_signal_sent_by_hand(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    let probe = Probe::new();
    watcher.watch(child.pid(), probe.callback()).unwrap();
    for _ in 0..10 {
        signals::signal_self(libc::SIGCHLD);
    }
    stage.settle(&*watcher);
    assert_eq!(probe.runs(), 0, "told while it lives");
    child.die(End::Code(0));
    probe.ran_once();
}
