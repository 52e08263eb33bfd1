//! C16: what a watcher leaves behind, and what it touches.

use std::collections::BTreeMap;

use childwatch_core::{Pid, PidWatcherExt, WatchError};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::backend::stage::Stage;
use crate::kit::actor::{Actor, Role};
use crate::kit::child::End;
use crate::kit::deadline;
use crate::kit::footprint::{Footprint, resident_bytes};
use crate::kit::probe::Probe;
use crate::kit::sys::{limits, signals};

/// A leak of one 64-byte allocation in each cycle exceeds this bound. ThreadSanitizer keeps
/// its record of each thread's accesses in the same memory: only a large leak is seen beside
/// it.
const NOISE_BYTES: usize = if cfg!(thread_sanitizer) {
    16 << 20
} else {
    512 << 10
};

pub(super) fn exec_leaks_no_fd(stage: &Stage<'_>) {
    let list = || {
        let mut actor = Actor::start(&mut Role::ListFds.command());
        actor.all_lines().len()
    };
    let before = list();
    let watcher = stage.watcher();
    let children: Vec<_> = (0..10).map(|_| stage.child()).collect();
    for child in &children {
        watcher.register_pid(child.pid()).unwrap();
    }
    // The children's gates are close-on-exec as well.
    assert_eq!(list(), before, "fds that a program inherits");
}

pub(super) fn ten_thousand_cycles_leave_nothing(stage: &Stage<'_>) {
    const CYCLES: usize = 10_000;
    let watcher = stage.watcher();
    let child = stage.child();
    let pid = child.pid();
    let cycle = || {
        watcher.register_pid(pid).unwrap();
        watcher
            .register_callback(pid, Probe::new().callback())
            .map(|handle| watcher.unregister_callback(handle))
            .unwrap();
        watcher.unregister_pid(pid);
        let handle = watcher.watch(pid, Probe::new().callback()).unwrap();
        watcher.unregister_callback(handle);
    };
    (0..CYCLES / 10).for_each(|_| cycle());
    let (footprint, resident) = (Footprint::now(), resident_bytes());
    (0..CYCLES).for_each(|_| cycle());
    let grown = resident_bytes().saturating_sub(resident);
    assert!(
        grown < NOISE_BYTES,
        "{grown} bytes more after {CYCLES} cycles"
    );
    footprint.assert_unchanged();
    child.die(End::Code(0));
}

pub(super) fn ten_thousand_refusals_leave_nothing(stage: &Stage<'_>) {
    const REFUSALS: usize = 10_000;
    let watcher = stage.watcher();
    // Above any number that Linux gives (2²²).
    let nobody = Pid::try_from(i32::MAX).unwrap();
    let refusal = || {
        assert!(watcher.register_pid(nobody).is_err());
        assert!(watcher.watch(nobody, Probe::new().callback()).is_err());
    };
    (0..REFUSALS / 10).for_each(|_| refusal());
    let (footprint, resident) = (Footprint::now(), resident_bytes());
    (0..REFUSALS).for_each(|_| refusal());
    let grown = resident_bytes().saturating_sub(resident);
    assert!(
        grown < NOISE_BYTES,
        "{grown} bytes more after {REFUSALS} refusals"
    );
    footprint.assert_unchanged();
}

pub(super) fn full_lives_leave_nothing(stage: &Stage<'_>) {
    let before = Footprint::now();
    for _ in 0..20 {
        let watcher = stage.watcher();
        for _ in 0..20 {
            let mut child = stage.child();
            let probe = Probe::new();
            watcher.register_pid(child.pid()).unwrap();
            watcher
                .register_callback(child.pid(), probe.callback())
                .unwrap();
            watcher.watch(child.pid(), probe.callback()).unwrap();
            child.die(End::Code(0));
            probe.ran(2);
            child.reap();
            watcher.unregister_pid(child.pid());
        }
        drop(watcher);
    }
    before.assert_unchanged();

    // A registration without end holds on to its process only until the end.
    let watcher = stage.watcher();
    let with_watcher = Footprint::now();
    let mut child = stage.child();
    let pid: Pid = child.pid();
    watcher.register_pid(pid).unwrap();
    child.die(End::Code(0));
    stage.settle(&*watcher);
    watcher.unregister_pid(pid);
    child.reap();
    drop(child);
    with_watcher.assert_unchanged();
}

/// Some of its processes exit, one is removed, and the others live on when it is dropped.
pub(super) fn a_set_of_processes_leaves_nothing(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let before = Footprint::now();
    let mut children: Vec<_> = (0..20).map(|_| stage.child()).collect();
    let set = watcher.exit_set();
    for child in &children {
        set.insert(child.pid()).unwrap();
    }
    let live = children.split_off(10);
    for child in &mut children {
        child.die(End::Code(4));
    }
    let mut told = BTreeMap::new();
    while told.len() < children.len() {
        let exit = set.wait_timeout(deadline::patience()).unwrap();
        let exit = exit.expect("an exit of the set");
        let before = told.insert(exit.pid(), exit.status());
        assert_eq!(before, None, "an exit that was returned before");
    }
    for child in &mut children {
        assert_eq!(told.get(&child.pid()), Some(&child.reap()));
    }
    assert!(set.remove(live[0].pid()));
    assert_eq!(set.len(), live.len() - 1);
    drop(set);
    for child in &live {
        let late = watcher.register_callback(child.pid(), Probe::new().callback());
        assert!(
            matches!(late, Err(WatchError::NotRegistered { .. })),
            "a registration of the set is left: {late:?}"
        );
    }
    drop((children, live));
    before.assert_unchanged();
}

pub(super) fn no_handler_and_no_mask_is_touched(stage: &Stage<'_>) {
    let before = (signals::dispositions(), signals::blocked_signals());
    let watcher = stage.watcher();
    stage.settle(&*watcher);
    let after = (signals::dispositions(), signals::blocked_signals());
    assert_eq!(after, before, "handlers or masks have changed");
    drop(watcher);
    assert_eq!(
        (signals::dispositions(), signals::blocked_signals()),
        before
    );
}

pub(super) fn no_handler_is_touched_before_one_is_needed(stage: &Stage<'_>) {
    let before = signals::dispositions();
    let watcher = stage.watcher();
    assert_eq!(signals::dispositions(), before, "with nothing watched");
    let mut first = stage.child();
    let probe = Probe::new();
    watcher.watch(first.pid(), probe.callback()).unwrap();
    first.die(End::Code(5));
    assert_eq!(probe.ran_once().status(), first.reap());
    assert_eq!(signals::dispositions(), before, "for the first process");
    // The next exit is reported too, whichever way the watcher needs for it.
    stage.settle(&*watcher);
}

pub(super) fn the_makers_signal_mask_is_left_alone(stage: &Stage<'_>) {
    let before = signals::blocked_signals();
    let watcher = stage.watcher();
    stage.settle(&*watcher);
    assert_eq!(signals::blocked_signals(), before, "the mask has changed");
    drop(watcher);
    assert_eq!(signals::blocked_signals(), before, "the mask has changed");
}

pub(super) fn a_file_with_a_number_of_the_watchers_is_left_alone(stage: &Stage<'_>) {
    let before = limits::eventfds();
    let watcher = stage.watcher();
    let child = stage.child();
    let (first, late) = (Probe::new(), Probe::new());
    watcher.register_pid(child.pid()).unwrap();
    watcher
        .register_callback(child.pid(), first.callback())
        .unwrap();
    child.die(End::Code(0));
    first.ran_once();

    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    let replaced: Vec<_> = limits::eventfds()
        .into_iter()
        .filter(|number| !before.contains(number))
        .map(|number| limits::Replaced::with(number, &write).unwrap())
        .collect();
    // Until then its thread looks by itself, and is not woken.
    stage.rest();
    // It wakes the watcher's thread, or is refused.
    let registered = watcher.register_callback(child.pid(), late.callback());
    let found = rustix::io::read(&read, &mut [0; 8]);
    assert_eq!(found, Err(Errno::AGAIN), "written to the program's file");
    drop(replaced);
    match registered {
        Ok(_) => assert_eq!(late.ran_once().pid(), child.pid()),
        Err(_) => assert!(late.captures_are_dropped()),
    }
    stage.settle(&*watcher);
}
