//! C12: the watcher's end.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

use childwatch_core::{PidWatcher, PidWatcherExt};

use crate::backend::stage::Stage;
use crate::kit::child::End;
use crate::kit::deadline;
use crate::kit::footprint::{Footprint, open_files};
use crate::kit::probe::{Gate, Probe};
use crate::kit::sys::threads;

pub(super) fn drop_with_live_children_drops_captures(stage: &Stage<'_>) {
    let children: Vec<_> = (0..50).map(|_| stage.child()).collect();
    let before = Footprint::now();
    let watcher = stage.watcher();
    let probe = Probe::new();
    for child in &children {
        watcher.register_pid(child.pid()).unwrap();
        watcher
            .register_callback(child.pid(), probe.callback())
            .unwrap();
        watcher.watch(child.pid(), probe.callback()).unwrap();
    }
    drop(watcher);
    assert!(probe.captures_are_dropped());
    before.assert_unchanged();
    for child in &children {
        child.die(End::Code(0));
    }
    stage.settle(&*stage.watcher());
    assert_eq!(probe.runs(), 0);
}

pub(super) fn the_end_of_one_watcher_harms_no_other(stage: &Stage<'_>) {
    let (first, second, third) = (stage.watcher(), stage.watcher(), stage.watcher());
    let child = stage.child();
    let (probe, never) = (Probe::new(), Probe::new());
    second.watch(child.pid(), probe.callback()).unwrap();
    for other in [first, third] {
        other.watch(child.pid(), never.callback()).unwrap();
        drop(other);
    }
    stage.settle(&*second);
    child.die(End::Code(0));
    probe.ran_once();
    assert_eq!(never.runs(), 0);
}

pub(super) fn drop_inside_a_callback_ends_the_thread_after_it(stage: &Stage<'_>) {
    let before = Footprint::now();
    let (child, other) = (stage.child(), stage.child());
    let watcher: Arc<dyn PidWatcher> = Arc::from(stage.watcher());
    let holder = Arc::new(Mutex::new(Some(Arc::clone(&watcher))));
    let (first, never) = (Probe::new(), Probe::new());
    watcher.register_pid(child.pid()).unwrap();
    watcher
        .register_callback(
            child.pid(),
            first.callback_then({
                let holder = Arc::clone(&holder);
                let never = never.clone();
                move |_| {
                    drop(holder.lock().unwrap().take());
                    assert!(never.captures_are_dropped());
                }
            }),
        )
        .unwrap();
    watcher
        .register_callback(child.pid(), never.callback())
        .unwrap();
    watcher.watch(other.pid(), never.callback()).unwrap();
    drop(watcher);

    other.die(End::Code(0));
    child.die(End::Code(0));
    // Which of the two exits is told first is not promised.
    deadline::until("the watcher is gone", || holder.lock().unwrap().is_none());
    first.ran_once();
    assert!(never.captures_are_dropped());
    let ran = never.runs();
    assert!(ran <= 1, "callbacks ran after the drop");
    drop((child, other));
    before.assert_unchanged();
    assert_eq!(never.runs(), ran);
}

pub(super) fn drop_waits_for_a_running_callback(stage: &Stage<'_>) {
    let before = Footprint::now();
    let watcher = stage.watcher();
    let (child, other) = (stage.child(), stage.child());
    let (gate, running, never) = (Gate::new(), Probe::new(), Probe::new());
    watcher.register_pid(child.pid()).unwrap();
    watcher
        .register_callback(
            child.pid(),
            running.callback_then({
                let gate = gate.clone();
                move |_| gate.pass()
            }),
        )
        .unwrap();
    watcher
        .register_callback(child.pid(), never.callback())
        .unwrap();
    child.die(End::Code(0));
    gate.wait_until_reached();
    other.die(End::Code(0));
    watcher.watch(other.pid(), never.callback()).unwrap();

    let (tell, told) = mpsc::channel();
    let dropping = thread::spawn(move || {
        tell.send(threads::thread_id()).unwrap();
        drop(watcher);
    });
    let thread = told.recv().unwrap();
    deadline::until("the drop waits, or returns", || threads::is_asleep(thread));
    for _ in 0..100 {
        thread::yield_now();
    }
    assert!(!dropping.is_finished());
    gate.open();
    dropping.join().unwrap();
    running.ran_once();
    assert!(running.captures_are_dropped() && never.captures_are_dropped());
    // The second may have begun before the drop did; nothing runs after it.
    let ran = never.runs();
    drop((child, other));
    before.assert_unchanged();
    assert_eq!(never.runs(), ran);
}

pub(super) fn a_captured_watcher_is_dropped_by_its_own_callback(stage: &Stage<'_>) {
    let before = Footprint::now();
    let mut child = stage.child();
    let watcher: Arc<dyn PidWatcher> = Arc::from(stage.watcher());
    let probe = Probe::new();
    watcher
        .watch(
            child.pid(),
            probe.callback_then({
                let watcher = Arc::clone(&watcher);
                move |_| drop(watcher)
            }),
        )
        .unwrap();
    // The callback owns the last reference now.
    drop(watcher);
    child.die(End::Code(0));
    probe.ran_once();
    child.reap();
    drop(child);
    before.assert_unchanged();
}

/// Nor does a thread that drops futures meanwhile keep anything.
pub(super) fn a_future_keeps_nothing_of_its_watcher(stage: &Stage<'_>) {
    let children: Vec<_> = (0..20).map(|_| stage.child()).collect();
    for _ in 0..20 {
        let before = open_files();
        let watcher = stage.watcher();
        let mut futures: Vec<_> = children
            .iter()
            .map(|child| watcher.exited(child.pid()).unwrap())
            .collect();
        let held = futures.split_off(10);
        thread::scope(|scope| {
            scope.spawn(|| drop(futures));
            drop(watcher);
            assert_eq!(open_files(), before, "files after the watcher's drop");
        });
        for mut future in held {
            let mut context = Context::from_waker(Waker::noop());
            let outcome = Pin::new(&mut future).poll(&mut context);
            assert_eq!(outcome, Poll::Ready(None));
        }
        assert_eq!(open_files(), before, "files after the watcher's drop");
    }
}
