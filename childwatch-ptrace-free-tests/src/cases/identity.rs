//! C13: a process, not a number.

use std::sync::mpsc;

use childwatch_core::PidWatcher;

use crate::backend::stage::Stage;
use crate::kit::child::{End, GatedChild};
use crate::kit::deadline;
use crate::kit::probe::{Gate, Probe};
use crate::kit::sys::{limits, signals, threads};

const FIRED: &str = "the old process's exit fired for the new one";

pub(super) fn the_number_of_a_reaped_and_unregistered_process_comes_back(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut old = stage.child();
    let (first, second) = (Probe::new(), Probe::new());
    register(&*watcher, &*old, &first);
    old.die(End::Code(1));
    assert_eq!(first.ran_once().status(), old.reap());
    watcher.unregister_pid(old.pid());

    let mut new = stage.successor(&*old);
    register(&*watcher, &*new, &second);
    stage.settle(&*watcher);
    assert_eq!(second.runs(), 0, "{FIRED}");
    new.die(End::Code(2));
    assert_eq!(second.ran_once().status(), new.reap());
    first.ran_once();
}

pub(super) fn the_number_of_a_registered_process_comes_back(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut old = stage.child();
    let (first, pending, second) = (Probe::new(), Probe::new(), Probe::new());
    register(&*watcher, &*old, &first);
    // The old process's exit and reaping are not seen while the thread is busy:
    // its last callback is pending when its number is registered anew.
    let occupied = stage.occupy(&*watcher);
    watcher
        .register_callback(old.pid(), pending.callback())
        .unwrap();
    old.die(End::Code(1));
    old.reap();
    let mut new = stage.successor(&*old);
    register(&*watcher, &*new, &second);
    occupied.release();

    for probe in [&first, &pending] {
        let told = probe.ran_once().status();
        assert!(
            told.is_none_or(|status| status.code() == Some(1)),
            "{told:?}"
        );
    }
    stage.settle(&*watcher);
    assert_eq!(second.runs(), 0, "{FIRED}");
    new.die(End::Code(2));
    assert_eq!(second.ran_once().status(), new.reap());
    first.ran_once();
    pending.ran_once();
}

/// Two zombies have had one number. When the first is reported, only the second is left to
/// look at.
pub(super) fn a_registered_processes_number_comes_back_and_exits_again(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    for _ in 0..20 {
        let mut old = stage.child();
        let (first, second) = (Probe::new(), Probe::new());
        let occupied = stage.occupy(&*watcher);
        watcher.watch(old.pid(), first.callback()).unwrap();
        old.die(End::Code(1));
        old.reap();
        let mut new = stage.successor(&*old);
        new.die(End::Code(2));
        watcher.watch(new.pid(), second.callback()).unwrap();
        occupied.release();

        let told = first.ran_once().status();
        assert!(
            told.is_none_or(|status| status.code() == Some(1)),
            "{told:?}"
        );
        assert_eq!(second.ran_once().status(), new.reap(), "{FIRED}");
    }
}

/// When the number changes hands, the watcher's thread normally knows of the old process's
/// exit, and is busy with another exit.
pub(super) fn a_stale_event_fires_nothing_of_the_new_process(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let occupied = stage.occupy(&*watcher);
    let (told_first, told) = mpsc::channel();
    // The one whose exit is told first keeps the thread busy. Which that is is not promised.
    let mut both = [0, 1].map(|index| {
        let (child, gate, probe) = (stage.child(), Gate::new(), Probe::new());
        let callback = probe.callback_then({
            let (told_first, gate) = (told_first.clone(), gate.clone());
            move |_| {
                told_first.send(index).unwrap();
                gate.pass();
            }
        });
        let handle = watcher.watch(child.pid(), callback).unwrap();
        (child, gate, probe, handle)
    });
    for (child, ..) in &both {
        child.die(End::Code(1));
    }
    occupied.release();
    if told.recv_timeout(deadline::patience()).unwrap() == 1 {
        both.swap(0, 1);
    }
    let [(_, gate, first, _), (mut old, olds_gate, never, handle)] = both;
    watcher.unregister_callback(handle);
    old.reap();
    let mut new = stage.successor(&*old);
    let second = Probe::new();
    register(&*watcher, &*new, &second);
    olds_gate.open();
    gate.open();

    first.ran_once();
    stage.settle(&*watcher);
    assert_eq!(second.runs(), 0, "{FIRED}");
    assert_eq!(never.runs(), 0);
    new.die(End::Code(2));
    assert_eq!(second.ran_once().status(), new.reap());
}

pub(super) fn a_watch_joins_the_process_and_not_the_number(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut old = stage.child();
    let (first, late, second) = (Probe::new(), Probe::new(), Probe::new());
    register(&*watcher, &*old, &first);
    old.die(End::Code(1));
    let told = first.ran_once();
    old.reap();
    // No process has the number: only the registered process can be meant.
    watcher.watch(old.pid(), late.callback()).unwrap();
    assert_eq!(late.ran_once(), told);

    let mut new = stage.successor(&*old);
    watcher.watch(new.pid(), second.callback()).unwrap();
    stage.settle(&*watcher);
    assert_eq!(second.runs(), 0, "{FIRED}");
    new.die(End::Code(2));
    assert_eq!(second.ran_once().status(), new.reap());
}

/// With nothing watched and the signal blocked, a former process's signal stays pending. It
/// is delivered once the next process of the pid is watched.
pub(super) fn a_late_signal_of_a_former_process_ends_no_living_one(stage: &Stage<'_>) {
    signals::block_sigchld();
    let watcher = stage.watcher();
    for _ in 0..3 {
        let mut old = stage.child();
        old.die(End::Code(1));
        old.reap();
        let mut new = stage.successor(&*old);
        let probe = Probe::new();
        watcher.watch(new.pid(), probe.callback()).unwrap();
        stage.settle(&*watcher);
        assert_eq!(probe.runs(), 0, "told while it lives");
        new.die(End::Code(2));
        let told = probe.ran_once().status();
        let reaped = new.reap();
        assert!(told.is_none() || told == reaped, "{told:?}");
    }
}

/// A signal has told the old process's status. Its pid's next process has a name that is
/// no text, and ends with another status.
pub(super) fn a_successors_status_is_not_told_for_a_process(stage: &Stage<'_>) {
    if stage.child().is_real() {
        threads::name_this_thread(c"\xff) Z 1 (\xfe");
    }
    successors_status_is_not_told(stage, || ());
}

/// The same with no file descriptor left to find out.
pub(super) fn a_successors_status_is_not_told_without_files(stage: &Stage<'_>) {
    successors_status_is_not_told(stage, || limits::FewFiles::left(0));
}

pub(super) fn successors_status_is_not_told<T>(stage: &Stage<'_>, shortage: impl Fn() -> T) {
    let watcher = stage.watcher();
    for _ in 0..3 {
        let mut old = stage.child();
        let (first, settled) = (Probe::new(), Probe::new());
        let occupied = stage.occupy(&*watcher);
        watcher.watch(old.pid(), first.callback()).unwrap();
        old.die(End::Code(1));
        old.reap();
        let mut new = stage.successor(&*old);
        let last = stage.child();
        watcher.watch(last.pid(), settled.callback()).unwrap();
        let short = shortage();
        occupied.release();
        last.die(End::Code(0));
        settled.ran_once();
        // By now the signal of the old one has been looked at, while the new one lives.
        new.die(End::Code(2));
        let told = first.ran_once().status();
        assert!(
            told.is_none_or(|status| status.code() == Some(1)),
            "{told:?}"
        );
        drop(short);
        new.reap();
    }
}

fn register(watcher: &dyn PidWatcher, child: &dyn GatedChild, probe: &Probe) {
    watcher.register_pid(child.pid()).unwrap();
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
}
