//! C2, C16 and C18: children that `spawn_watchable`, `spawn_watched` and `fork_watchable` start, and
//! what is left of them after their exit, or when their registration is refused.

#![expect(unsafe_code, reason = "`fork_watchable`")]

use std::convert::Infallible;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Stdio, exit};
use std::sync::Mutex;
use std::time::Duration;

use childwatch_core::{Pid, PidWatcher, Unregistered, WatchError};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::backend::stage::Stage;
use crate::kit::actor::Role;
use crate::kit::child::{End, GatedChild, RealChild};
use crate::kit::deadline;
use crate::kit::footprint::Footprint;
use crate::kit::interposed::Interposed;
use crate::kit::locked::lock;
use crate::kit::probe::Probe;
use crate::kit::sys::{death, permits, signals, threads};
use crate::machine::refusal::{Refusal, with_refused};

/// More than the unit in which the kernel shows start times.
const A_TICK: Duration = Duration::from_millis(20);

pub(super) fn a_refused_spawn_leaves_nothing_that_is_still_its_own(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    assert_ended_or_spared(stage, &*watcher);
    let pidfds = [Refusal::pidfd_open(rustix::io::Errno::MFILE)];
    with_refused(&pidfds, || assert_ended_or_spared(stage, &*watcher));
}

fn assert_ended_or_spared(stage: &Stage<'_>, watcher: &dyn PidWatcher) {
    let refuses = Interposed::new(watcher, |_, pid| Err(short(pid)));
    assert_ended(stage, &refuses, true);
    // A child that the kernel reaps by itself may have gone at any time, and its number
    // may be another's. Only a pidfd is sure to be its own.
    let can_tell = permits::can_wait_for_pidfds();
    let ignored = signals::SigchldAction::ignored();
    assert_ended(stage, &refuses, can_tell);
    drop(ignored);
    let no_child_wait = signals::SigchldAction::no_child_wait();
    assert_ended(stage, &refuses, can_tell);
    drop(no_child_wait);
}

/// Spawns a child whose registration is refused. Checks that nothing is left of the child, or
/// that it lives until its input ends.
#[track_caller]
fn assert_ended(stage: &Stage<'_>, refuses: &dyn PidWatcher, is_wanted: bool) {
    let (input, end) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let mut command = Role::Wait.command();
    command.stdin(Stdio::from(input)).stdout(Stdio::null());
    let refused = stage.backend().spawn_watchable(refuses, &mut command);
    drop(command);
    let pid = refused_pid(&refused.expect_err("a refused registration"));
    assert_eq!(!death::is_child(pid), is_wanted, "the refused child's end");
    drop(end);
    if !is_wanted {
        deadline::until("the kernel reaps the child", || !death::is_child(pid));
    }
}

pub(super) fn a_refused_spawn_with_a_callback_leaves_nothing(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let before = Footprint::now();
    let refuses = Interposed::new(&*watcher, |_, pid| Err(short(pid)));
    let mut command = Role::Wait.command();
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let probe = Probe::new();
    let refused = stage
        .backend()
        .spawn_watched(&refuses, &mut command, probe.callback());
    let pid = refused_pid(&refused.expect_err("a refused registration"));
    assert!(probe.captures_are_dropped() && probe.runs() == 0);
    assert!(!death::is_child(pid), "the refused child is left");
    before.assert_unchanged();
}

/// The child is not reaped before the end. So only its callback can have ended the registration.
pub(super) fn a_spawn_with_a_callback_leaves_nothing_to_unregister(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let before = Footprint::now();
    let mut command = Role::Wait.command();
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let probe = Probe::new();
    let spawned = stage
        .backend()
        .spawn_watched(&*watcher, &mut command, probe.callback());
    let (mut child, handle) = spawned.unwrap();
    let told = probe.ran_once();
    assert_eq!(watcher.unregister_callback(handle), Unregistered::HasRun);
    let late = watcher.register_callback(told.pid(), probe.callback());
    assert!(
        matches!(late, Err(WatchError::NotRegistered { .. })),
        "a registration is left: {late:?}"
    );
    assert_eq!(told.status(), Some(child.wait().unwrap()));
    before.assert_unchanged();
}

pub(super) fn a_refused_spawn_signals_no_successor(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    for refusal in [gone, short] {
        let successor = Mutex::new(None);
        let ignored = signals::SigchldAction::ignored();
        let refuses = Interposed::new(&*watcher, |_, pid| {
            deadline::until("the kernel reaps the child", || !death::is_child(pid));
            let spawned = threads::since_boot();
            deadline::until("a tick", || threads::since_boot() > spawned + A_TICK);
            *lock(&successor) = Some(RealChild::fork_once_free(pid));
            Err(refusal(pid))
        });
        // It ends at once, with its input.
        let mut command = Role::Wait.command();
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let refused = stage.backend().spawn_watchable(&refuses, &mut command);
        refused_pid(&refused.expect_err("a refused registration"));
        // Without this, the successor's status would be lost.
        drop(ignored);
        let mut successor = lock(&successor).take().unwrap();
        successor.die(End::Code(5));
        let status = successor.reap();
        let code = status.and_then(|status| status.code());
        assert_eq!(code, Some(5), "the successor was signalled: {status:?}");
    }
}

pub(super) fn a_refused_fork_leaves_nothing(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    assert_forked_in_vain(stage, &*watcher);
    let ignored = signals::SigchldAction::ignored();
    assert_forked_in_vain(stage, &*watcher);
    drop(ignored);
}

fn assert_forked_in_vain(stage: &Stage<'_>, watcher: &dyn PidWatcher) {
    fn exits() -> Infallible {
        exit(31)
    }
    let sibling = Mutex::new(None);
    let refuses = Interposed::new(watcher, |_, pid| {
        // A copy of all fds: the end of the gate may have another holder.
        *lock(&sibling) = Some(stage.child());
        Err(short(pid))
    });
    // SAFETY: the child calls exit, and this cell has set up nothing to run then.
    let refused = unsafe { stage.backend().fork_watchable(&refuses, exits) };
    let pid = refused_pid(&refused.expect_err("a refused registration"));
    assert!(!death::is_child(pid), "the refused child is left");
}

pub(super) fn a_forked_child_that_dies_early_is_no_signal_to_its_parent(stage: &Stage<'_>) {
    fn never_runs() -> Infallible {
        exit(31)
    }
    signals::default_broken_pipe_action();
    let watcher = stage.watcher();
    let dies_early = Interposed::new(&*watcher, |watcher, pid| {
        death::kill(pid);
        death::confirm_dead(pid);
        watcher.register_pid(pid)
    });
    // SAFETY: the child is killed before it is let go.
    let pid = unsafe { stage.backend().fork_watchable(&dies_early, never_runs) }.unwrap();
    let probe = Probe::new();
    watcher.register_callback(pid, probe.callback()).unwrap();
    watcher.unregister_pid(pid);
    let told = probe.ran_once().status();
    assert_eq!(told.and_then(|status| status.signal()), Some(libc::SIGKILL));
    death::reap(pid);
}

fn gone(pid: Pid) -> WatchError {
    WatchError::NoSuchProcess { pid, source: None }
}

fn short(pid: Pid) -> WatchError {
    WatchError::ResourceLimit {
        operation: "a registration that is refused",
        pid: Some(pid),
        source: io::Error::from_raw_os_error(libc::EMFILE),
    }
}

/// The process that was refused.
#[track_caller]
fn refused_pid(refused: &io::Error) -> Pid {
    match refused.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(
            WatchError::NoSuchProcess { pid, .. }
            | WatchError::ResourceLimit { pid: Some(pid), .. },
        ) => *pid,
        other => panic!("{other:?}: {refused:?}"),
    }
}
