//! C21: watchers that tell when a process has been reaped.

use std::os::fd::AsFd;

use childwatch_core::{Pid, PidWatcher, WatchError};
use rustix::process::{PidfdFlags, pidfd_open};

use crate::backend::feature::Feature;
use crate::backend::stage::Stage;
use crate::kit::actor::{Actor, Role};
use crate::kit::child::End;
use crate::kit::probe::Probe;
use crate::kit::sys::signals::SigchldAction;

/// Waits until the watcher has reported two reapings more. It has had time then for a report that
/// would be wrong.
fn settle(stage: &Stage<'_>, watcher: &dyn PidWatcher) {
    for _ in 0..2 {
        let mut child = stage.child();
        let probe = Probe::new();
        watcher.watch(child.pid(), probe.callback()).unwrap();
        child.die(End::Code(0));
        child.reap();
        probe.ran_once();
    }
}

/// Whether the code is told, if this kernel returns it for a reaped process.
#[track_caller]
fn assert_told(stage: &Stage<'_>, probe: &Probe, pid: Pid, end: End) {
    let exit = probe.ran_once();
    assert_eq!(exit.pid(), pid);
    let status = exit.status();
    let is_true = status.is_none_or(|status| End::of(status) == end);
    assert!(is_true, "{exit}, but it was {end:?}");
    let can_be = stage.backend().offers(Feature::StatusAfterReaping).is_ok();
    assert!(!can_be || status.is_some(), "{exit}, but it was {end:?}");
}

pub(super) fn a_process_is_told_when_it_is_reaped(stage: &Stage<'_>) {
    let watcher = stage.watcher_until_reaped();
    for end in [End::Code(0), End::Code(7), End::Signal(9)] {
        for is_zombie in [false, true] {
            let mut child = stage.child();
            let pid = child.pid();
            let (probe, joined, late) = (Probe::new(), Probe::new(), Probe::new());
            if is_zombie {
                child.die(end);
            }
            watcher.register_pid(pid).unwrap();
            watcher.register_callback(pid, probe.callback()).unwrap();
            watcher.watch(pid, joined.callback()).unwrap();
            if !is_zombie {
                settle(stage, &*watcher);
                child.die(end);
            }
            settle(stage, &*watcher);
            assert_eq!(watcher.try_wait(pid).unwrap(), None, "it is a zombie");
            assert_eq!((probe.runs(), joined.runs()), (0, 0), "told of a zombie");
            watcher.send_signal(pid, 0).unwrap();

            child.reap();
            assert_told(stage, &probe, pid, end);
            assert_told(stage, &joined, pid, end);
            watcher.register_callback(pid, late.callback()).unwrap();
            assert_told(stage, &late, pid, end);
            assert!(watcher.try_wait(pid).unwrap().is_some());
            let sent = watcher.send_signal(pid, 0);
            assert!(
                matches!(sent, Err(WatchError::NoSuchProcess { .. })),
                "{sent:?}"
            );
            watcher.unregister_pid(pid);
        }
    }
}

pub(super) fn a_process_that_is_no_child_is_told_with_its_status(stage: &Stage<'_>) {
    let watcher = stage.watcher_until_reaped();
    for is_by_pidfd in [false, true] {
        let mut parent = Actor::start(&mut Role::KeepChild.command());
        let pid: Pid = parent.line().parse().unwrap();
        let probe = Probe::new();
        if is_by_pidfd {
            let number = rustix::process::Pid::from_raw(pid.as_raw()).unwrap();
            let pidfd = pidfd_open(number, PidfdFlags::empty()).unwrap();
            let watched = watcher.watch_pidfd(pidfd.as_fd(), probe.callback());
            assert_eq!(watched.unwrap().pid(), pid);
        } else {
            watcher.watch(pid, probe.callback()).unwrap();
        }
        parent.cue();
        assert_eq!(parent.line(), "dead");
        settle(stage, &*watcher);
        assert_eq!(probe.runs(), 0, "told of a zombie");
        parent.cue();
        assert_eq!(parent.line(), "reaped");
        assert_told(stage, &probe, pid, End::Code(5));
    }
}

pub(super) fn a_child_that_the_kernel_reaps_is_told(stage: &Stage<'_>) {
    let _ignored = SigchldAction::ignored();
    let watcher = stage.watcher_until_reaped();
    for _ in 0..20 {
        let child = stage.child();
        let probe = Probe::new();
        watcher.watch(child.pid(), probe.callback()).unwrap();
        child.let_go(End::Code(3));
        assert_told(stage, &probe, child.pid(), End::Code(3));
    }
}

/// Nothing is told twice, and nothing is lost: a process that is refused has been reaped.
pub(super) fn a_reaping_races_the_registration(stage: &Stage<'_>) {
    let watcher = stage.watcher_until_reaped();
    for _ in 0..200 {
        let mut child = stage.child();
        let (pid, probe) = (child.pid(), Probe::new());
        child.die(End::Code(4));
        let watched = std::thread::scope(|scope| {
            let reaping = scope.spawn(|| child.reap());
            let watched = watcher.watch(pid, probe.callback());
            reaping.join().unwrap();
            watched
        });
        match watched {
            Ok(_) => assert_told(stage, &probe, pid, End::Code(4)),
            Err(WatchError::NoSuchProcess { .. }) => assert_eq!(probe.runs(), 0),
            Err(error) => panic!("{error:?}"),
        }
    }
}

pub(super) fn the_number_of_a_process_that_is_told_comes_back(stage: &Stage<'_>) {
    let watcher = stage.watcher_until_reaped();
    let mut child = stage.child();
    let pid = child.pid();
    let (first, second) = (Probe::new(), Probe::new());
    watcher.register_pid(pid).unwrap();
    watcher.register_callback(pid, first.callback()).unwrap();
    child.die(End::Code(1));
    child.reap();
    assert_told(stage, &first, pid, End::Code(1));
    let mut successor = stage.successor(&*child);
    watcher.register_pid(pid).unwrap();
    watcher.register_callback(pid, second.callback()).unwrap();
    settle(stage, &*watcher);
    assert_eq!(second.runs(), 0, "told of a living process");
    successor.die(End::Code(2));
    successor.reap();
    assert_told(stage, &second, pid, End::Code(2));
    watcher.unregister_pid(pid);
}
