//! C1, C2 and C3: `try_wait`, and timeouts that are over at once.

use std::time::Duration;

use childwatch_core::{Exit, Pid, PidWatcher, PidWatcherExt, WatchError};

use crate::backend::stage::Stage;
use crate::kit::actor::{Actor, Role};
use crate::kit::child::{End, GatedChild};
use crate::kit::footprint::Footprint;
use crate::kit::probe::Probe;

/// Polls in each way.
fn polls(watcher: &dyn PidWatcher, pid: Pid) -> [Result<Option<Exit>, WatchError>; 2] {
    [
        watcher.try_wait(pid),
        watcher.wait_timeout(pid, Duration::ZERO),
    ]
}

#[track_caller]
fn each_poll_finds(watcher: &dyn PidWatcher, child: &mut dyn GatedChild) {
    let found = polls(watcher, child.pid()).map(|found| found.expect("the pid can be watched"));
    let expected = child.reap();
    for found in found {
        let found = found.expect("a poll finds the zombie");
        assert_eq!((found.pid(), found.status()), (child.pid(), expected));
    }
}

pub(super) fn each_poll_finds_a_zombie(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    // Its thread is asleep.
    stage.settle(&*watcher);
    for code in 0..100_u8 {
        let mut child = stage.child();
        let probe = Probe::new();
        // Unknown to the watcher, registered, or with a callback too.
        if code % 3 > 0 {
            watcher.register_pid(child.pid()).unwrap();
        }
        if code % 3 > 1 {
            watcher
                .register_callback(child.pid(), probe.callback())
                .unwrap();
        }
        child.die(End::Code(code));
        if code % 2 > 0 {
            // As a rule it has been told already.
            stage.settle(&*watcher);
        }
        each_poll_finds(&*watcher, &mut *child);
        // Polls take nothing away from a callback.
        if code % 3 > 1 {
            assert_eq!(probe.ran_once().pid(), child.pid());
        }
        watcher.unregister_pid(child.pid());
    }
}

pub(super) fn no_poll_finds_a_live_child(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    let probe = Probe::new();
    let alive = |watcher: &dyn PidWatcher| {
        for found in polls(watcher, child.pid()) {
            let found = found.expect("the pid can be watched");
            assert_eq!(found, None, "a poll says that a live child has exited");
        }
    };
    alive(&*watcher);
    watcher.register_pid(child.pid()).unwrap();
    alive(&*watcher);
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    alive(&*watcher);
    stage.settle(&*watcher);
    alive(&*watcher);
    assert_eq!(probe.runs(), 0);
    child.die(End::Code(0));
    probe.ran_once();
}

/// The kernel tells only the parent of such a process whether it lives.
pub(super) fn no_poll_finds_a_live_process_that_is_no_child(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut parent = Actor::start(&mut Role::KeepChild.command());
    let grandchild: Pid = parent.line().parse().unwrap();
    for found in polls(&*watcher, grandchild) {
        let found = found.expect("the pid can be watched");
        assert_eq!(found, None, "a poll says that a live process has exited");
    }
    parent.cue();
    assert_eq!(parent.line(), "dead");
    for found in polls(&*watcher, grandchild) {
        let found = found.expect("the pid can be watched");
        let status = found.expect("a poll finds the zombie").status();
        // Its parent is another process, and only the parent gets its status.
        assert!(status.is_none_or(|status| status.code() == Some(5)));
    }
    parent.cue();
    assert_eq!(parent.line(), "reaped");
}

pub(super) fn a_poll_finds_what_was_reaped_only_if_it_is_registered(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut child = stage.child();
    child.die(End::Code(3));
    child.reap();
    for found in polls(&*watcher, child.pid()) {
        let is_refused = matches!(
            found,
            Err(WatchError::NoSuchProcess { .. } | WatchError::NotAChild { .. })
        );
        assert!(is_refused, "{found:?} of a process that is gone");
    }

    let mut child = stage.child();
    let probe = Probe::new();
    watcher.register_pid(child.pid()).unwrap();
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    child.die(End::Code(3));
    probe.ran_once();
    let status = child.reap();
    let found = watcher.try_wait(child.pid()).expect("it is registered");
    assert_eq!(found.map(|exit| exit.status()), Some(status));
    watcher.unregister_pid(child.pid());
}

pub(super) fn a_poll_leaves_nothing(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let (child, dead) = (stage.child(), stage.child());
    dead.die(End::Code(0));
    stage.settle(&*watcher);
    let before = Footprint::now();
    for pid in [child.pid(), dead.pid()] {
        for _ in 0..50 {
            for found in polls(&*watcher, pid) {
                found.expect("the pid can be watched");
            }
        }
        let refused = watcher.register_callback(pid, Probe::new().callback());
        assert!(
            matches!(refused, Err(WatchError::NotRegistered { .. })),
            "a poll has registered the pid: {refused:?}"
        );
    }
    // A pidfd of the settling may have been counted that was about to be closed.
    before.assert_not_grown();
    // What was registered before stays so.
    watcher.register_pid(child.pid()).unwrap();
    for found in polls(&*watcher, child.pid()) {
        found.expect("the pid can be watched");
    }
    let probe = Probe::new();
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    child.die(End::Code(0));
    probe.ran_once();
}
