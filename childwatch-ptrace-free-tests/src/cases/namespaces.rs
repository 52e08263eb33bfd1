//! C13 where `/proc` shows other processes than the program's own, or nothing.

#![expect(unsafe_code, reason = "copies of a process that has one thread")]

use std::os::fd::OwnedFd;
use std::time::Duration;

use childwatch_core::{Pid, PidWatcher, WatchError};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use super::identity::successors_status_is_not_told;
use crate::backend::stage::Stage;
use crate::kit::child::{End, GatedChild, RealChild};
use crate::kit::deadline;
use crate::kit::probe::Probe;
use crate::kit::sys::{birth, death};
use crate::machine::namespace;

/// The unit of the start times in `/proc`.
const TICK: Duration = Duration::from_millis(10);

/// Starts `body` in the first process of a new pid namespace, below a copy of this one.
/// The `/proc` that it sees is this process's.
fn begin_in_a_new_namespace(body: impl FnOnce()) -> Pid {
    // SAFETY: this process has had no thread but this one, so a copy may do what it may.
    unsafe {
        birth::fork_copy(|| {
            namespace::leave_for_a_new_one().expect("the needs have been looked at");
            let first = birth::fork_copy(|| {
                body();
                0
            });
            let status = death::reap(first.expect("process 1"));
            i32::from(!status.is_some_and(|status| status.success()))
        })
    }
    .expect("a copy")
}

#[track_caller]
fn ends_well(copy: Pid) {
    let is_over = deadline::holds_within(deadline::patience(), || death::is_waitable(copy));
    if !is_over {
        death::kill(copy);
    }
    let status = death::reap(copy).expect("the copy is ours");
    assert!(
        is_over && status.success(),
        "in the new namespace: {status}"
    );
}

/// A process of the outer namespace has the same pid and was started later. In the `/proc`
/// that is mounted, the watched process seems to be that one.
pub(super) fn in_a_foreign_proc_no_living_process_is_told(stage: &Stage<'_>) {
    let pid = {
        // A pid that is free in both namespaces.
        let mut dummy = stage.child();
        dummy.die(End::Code(0));
        dummy.reap();
        dummy.pid()
    };
    let (armed, has_armed) = rustix::pipe::pipe().unwrap();
    let (go_on, let_go_on) = rustix::pipe::pipe().unwrap();
    let copy = begin_in_a_new_namespace(|| {
        let watcher = stage.watcher();
        let (child, probe) = (stage.backend().nursery().spawn_as(pid), Probe::new());
        watcher.watch(pid, probe.callback()).unwrap();
        rustix::io::write(&has_armed, &[0]).unwrap();
        await_byte(&go_on);
        two_heartbeats(&*watcher);
        assert_eq!(probe.runs(), 0, "told while it lives");
        assert!(matches!(
            watcher.register_pid(pid),
            Ok(()) | Err(WatchError::AlreadyRegistered { .. })
        ));
        assert_eq!(probe.runs(), 0, "told while it lives");
        child.die(End::Code(6));
        assert_eq!(probe.ran_once().status().unwrap().code(), Some(6));
    });
    drop(has_armed);
    await_byte(&armed);
    // Whatever the backend goes by, the decoy must look like a successor to a watcher that trusts
    // this /proc.
    deadline::await_next(TICK);
    let decoy = stage.backend().nursery().spawn_as(pid);
    rustix::io::write(&let_go_on, &[0]).unwrap();
    ends_well(copy);
    drop(decoy);
}

/// Waits until the watcher reports two exits that raise no signal. So the watcher has looked
/// at all its processes since the first, without a signal.
fn two_heartbeats(watcher: &dyn PidWatcher) {
    for _ in 0..2 {
        let silent = RealChild::fork(birth::Birth {
            exit_signal: 0,
            ..birth::Birth::default()
        });
        let probe = Probe::new();
        watcher.watch(silent.pid(), probe.callback()).unwrap();
        silent.die(End::Code(0));
        probe.ran_once();
    }
}

fn await_byte(pipe: &OwnedFd) {
    let mut byte = [0];
    assert_eq!(
        rustix::io::read(pipe, &mut byte),
        Ok(1),
        "the other side has ended"
    );
}

pub(super) fn without_proc_a_successors_status_is_not_told(stage: &Stage<'_>) {
    let copy = begin_in_a_new_namespace(|| {
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private)
            .and_then(|()| mount("none", "/proc", "tmpfs", MountFlags::empty(), None))
            .expect("an empty /proc");
        successors_status_is_not_told(stage, || ());
    });
    ends_well(copy);
}
