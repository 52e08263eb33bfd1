//! C8 and C9: ending a registration, and taking a callback out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use childwatch_core::{Pid, PidWatcher, Unregistered, WatchError, WatchHandle};

use crate::backend::stage::Stage;
use crate::kit::child::End;
use crate::kit::deadline;
use crate::kit::probe::{Gate, Probe};
use crate::kit::sys::threads;

pub(super) fn unregister_pid_keeps_callbacks_and_refuses_new_ones(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    let probe = Probe::new();
    watcher.register_pid(child.pid()).unwrap();
    for _ in 0..3 {
        watcher
            .register_callback(child.pid(), probe.callback())
            .unwrap();
    }
    watcher.unregister_pid(child.pid());
    let refused = watcher.register_callback(child.pid(), Probe::new().callback());
    assert!(
        matches!(refused, Err(WatchError::NotRegistered { .. })),
        "{refused:?}"
    );
    child.die(End::Code(0));
    probe.ran(3);
    let refused = watcher.register_callback(child.pid(), Probe::new().callback());
    assert!(
        matches!(refused, Err(WatchError::NotRegistered { .. })),
        "{refused:?}"
    );
}

pub(super) fn unregister_pid_is_idempotent_and_harmless(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    watcher.unregister_pid(Pid::try_from(1).unwrap());
    watcher.unregister_pid(Pid::try_from(i32::MAX).unwrap());

    let child = stage.child();
    watcher.unregister_pid(child.pid());
    watcher.register_pid(child.pid()).unwrap();
    let probe = Probe::new();
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    for _ in 0..3 {
        watcher.unregister_pid(child.pid());
    }
    child.die(End::Code(0));
    probe.ran_once();
    watcher.unregister_pid(child.pid());
}

pub(super) fn the_pid_can_be_registered_again(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    let probe = Probe::new();
    for _ in 0..5 {
        watcher.register_pid(child.pid()).unwrap();
        watcher
            .register_callback(child.pid(), probe.callback())
            .unwrap();
        watcher.unregister_pid(child.pid());
    }
    child.die(End::Code(0));
    probe.ran(5);
    // Dead, but not reaped: its number is still its own.
    watcher.register_pid(child.pid()).unwrap();
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    probe.ran(6);
}

pub(super) fn a_watch_leaves_the_registration_that_it_joins(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    let probe = Probe::new();
    watcher.register_pid(child.pid()).unwrap();
    let handle = watcher.watch(child.pid(), probe.callback()).unwrap();
    watcher.unregister_callback(handle);
    watcher.watch(child.pid(), probe.callback()).unwrap();
    child.die(End::Code(0));
    probe.ran_once();
    // Its own callbacks are gone; it is not.
    let late = watcher.register_callback(child.pid(), probe.callback());
    assert!(late.is_ok(), "{late:?}");
    probe.ran(2);
}

pub(super) fn an_unregistered_callback_never_runs(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut child = stage.child();
    let (kept, dropped) = (Probe::new(), Probe::new());
    watcher.watch(child.pid(), kept.callback()).unwrap();
    let handle = watcher.watch(child.pid(), dropped.callback()).unwrap();
    assert_eq!(
        watcher.unregister_callback(handle),
        Unregistered::WillNotRun
    );
    assert!(dropped.captures_are_dropped());
    child.die(End::Code(0));
    kept.ran_once();

    // The only callback of a watch: with it the registration goes.
    child.reap();
    let child = stage.child();
    let handle = watcher.watch(child.pid(), dropped.callback()).unwrap();
    assert_eq!(
        watcher.unregister_callback(handle),
        Unregistered::WillNotRun
    );
    child.die(End::Code(0));
    stage.settle(&*watcher);
    assert_eq!(dropped.runs(), 0);
}

pub(super) fn unregister_waits_for_a_running_callback(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    let (gate, probe) = (Gate::new(), Probe::new());
    let has_returned = Arc::new(AtomicBool::new(false));
    let handle = watcher
        .watch(
            child.pid(),
            probe.callback_then({
                let (gate, has_returned) = (gate.clone(), Arc::clone(&has_returned));
                move |_| {
                    gate.pass();
                    // Relaxed: what is under test is that unregistering orders it.
                    has_returned.store(true, Ordering::Relaxed);
                }
            }),
        )
        .unwrap();
    child.die(End::Code(0));
    gate.wait_until_reached();
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let unregistering = scope.spawn({
            let (watcher, has_returned) = (&watcher, &has_returned);
            move || {
                tell.send(threads::thread_id()).unwrap();
                let outcome = watcher.unregister_callback(handle);
                (outcome, has_returned.load(Ordering::Relaxed))
            }
        });
        let thread = told.recv().unwrap();
        // It may not return while the callback stands at the gate; other calls show
        // that it waits alone.
        deadline::until("the call waits, or returns", || threads::is_asleep(thread));
        stage_is_still_usable(&*watcher, child.pid());
        assert!(!unregistering.is_finished());
        gate.open();
        let (outcome, had_returned) = unregistering.join().unwrap();
        assert_eq!(outcome, Unregistered::HasRun);
        assert!(had_returned, "unregistering did not wait");
        assert!(probe.captures_are_dropped());
    });
}

fn stage_is_still_usable(watcher: &dyn PidWatcher, pid: Pid) {
    for _ in 0..100 {
        watcher.unregister_pid(pid);
        thread::yield_now();
    }
}

pub(super) fn unregister_waits_for_no_other_callback(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    let (first, second) = (Gate::new(), Gate::new());
    let passed = Probe::new();
    let at = |gate: &Gate| {
        let gate = gate.clone();
        passed.callback_then(move |_| gate.pass())
    };
    let handle = watcher.watch(child.pid(), at(&first)).unwrap();
    watcher.watch(child.pid(), at(&second)).unwrap();
    child.die(End::Code(0));
    first.wait_until_reached();
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let unregistering = scope.spawn({
            let (watcher, second) = (&watcher, &second);
            move || {
                tell.send(threads::thread_id()).unwrap();
                let outcome = watcher.unregister_callback(handle);
                // The next callback stands at its gate until this call has returned.
                second.open();
                outcome
            }
        });
        // A call that came too late would have nothing to wait for. That it waits asleep is no
        // clause: a watcher that waits awake is given the time.
        let thread = told.recv().unwrap();
        deadline::holds_within(Duration::from_millis(100), || threads::is_asleep(thread));
        first.open();
        assert_eq!(unregistering.join().unwrap(), Unregistered::HasRun);
        passed.ran(2);
    });
}

pub(super) fn a_callback_that_unregisters_itself_is_running(stage: &Stage<'_>) {
    let watcher: Arc<dyn PidWatcher> = Arc::from(stage.watcher());
    let child = stage.child();
    let (give_handle, take_handle) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let probe = Probe::new();
    let handle = watcher
        .watch(
            child.pid(),
            probe.callback_then({
                let watcher = Arc::downgrade(&watcher);
                move |_| {
                    let handle = take_handle.recv().unwrap();
                    let watcher = watcher.upgrade().unwrap();
                    tell.send(watcher.unregister_callback(handle)).unwrap();
                }
            }),
        )
        .unwrap();
    give_handle.send(handle).unwrap();
    child.die(End::Code(0));
    assert_eq!(
        told.recv_timeout(deadline::patience()),
        Ok(Unregistered::IsRunning)
    );
    probe.ran_once();
    assert_eq!(watcher.unregister_callback(handle), Unregistered::HasRun);
}

pub(super) fn a_callback_unregisters_another(stage: &Stage<'_>) {
    let watcher: Arc<dyn PidWatcher> = Arc::from(stage.watcher());
    let child = stage.child();
    watcher.register_pid(child.pid()).unwrap();
    let (give_handle, take_handle) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let second = Probe::new();
    let first = watcher
        .register_callback(child.pid(), {
            let watcher = Arc::downgrade(&watcher);
            let second = second.clone();
            Box::new(move |_| {
                let handle = take_handle.recv().unwrap();
                let outcome = watcher.upgrade().unwrap().unregister_callback(handle);
                tell.send((outcome, second.captures_are_dropped())).unwrap();
            })
        })
        .unwrap();
    let handle = watcher
        .register_callback(child.pid(), second.callback())
        .unwrap();
    give_handle.send(handle).unwrap();
    child.die(End::Code(0));
    assert_eq!(
        told.recv_timeout(deadline::patience()),
        Ok((Unregistered::WillNotRun, true))
    );
    assert_eq!(watcher.unregister_callback(first), Unregistered::HasRun);
    stage.settle(&*watcher);
    assert_eq!(second.runs(), 0);
}

pub(super) fn a_second_unregister_finds_nothing(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    let probe = Probe::new();
    watcher.register_pid(child.pid()).unwrap();
    let handle = watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    assert_eq!(
        watcher.unregister_callback(handle),
        Unregistered::WillNotRun
    );
    for _ in 0..3 {
        finds_nothing(&*watcher, handle);
    }
    // Nor does an old handle lead to a younger callback.
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    finds_nothing(&*watcher, handle);
    // Nor to another process's, in the place that its own had.
    watcher.unregister_pid(child.pid());
    let (other, others) = (stage.child(), Probe::new());
    child.die(End::Code(0));
    probe.ran_once();
    watcher.watch(other.pid(), others.callback()).unwrap();
    finds_nothing(&*watcher, handle);
    other.die(End::Code(0));
    others.ran_once();
    // That one has run: its own handle tells so, and the old one does not.
    finds_nothing(&*watcher, handle);
}

#[track_caller]
fn finds_nothing(watcher: &dyn PidWatcher, handle: WatchHandle) {
    assert_eq!(
        watcher.unregister_callback(handle),
        Unregistered::NotPending,
        "it says that what was taken out has run"
    );
}

pub(super) fn a_handle_of_another_watcher_leads_to_nothing(stage: &Stage<'_>) {
    let [watcher, other] = [stage.watcher(), stage.watcher()];
    let child = stage.child();
    let [probe, others] = [Probe::new(), Probe::new()];
    let handle = watcher.watch(child.pid(), probe.callback()).unwrap();
    let others_handle = other.watch(child.pid(), others.callback()).unwrap();
    let is_foreign = |answer| {
        assert_eq!(
            answer,
            Unregistered::NotPending,
            "it answers for another watcher"
        );
    };
    is_foreign(watcher.unregister_callback(others_handle));
    is_foreign(other.unregister_callback(handle));
    child.die(End::Code(0));
    probe.ran_once();
    others.ran_once();
    is_foreign(watcher.unregister_callback(others_handle));
    is_foreign(other.unregister_callback(handle));
    assert_eq!(watcher.unregister_callback(handle), Unregistered::HasRun);
}

pub(super) fn of_many_at_once_one_takes_out(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    watcher.register_pid(child.pid()).unwrap();
    for _ in 0..50 {
        let probe = Probe::new();
        let handle = watcher
            .register_callback(child.pid(), probe.callback())
            .unwrap();
        let outcomes = thread::scope(|scope| {
            let calls = [(); 4].map(|()| scope.spawn(|| watcher.unregister_callback(handle)));
            calls.map(|call| call.join().unwrap())
        });
        let taken_out = outcomes
            .iter()
            .filter(|outcome| **outcome == Unregistered::WillNotRun);
        assert_eq!(taken_out.count(), 1, "{outcomes:?}");
        // It may be dropping what the callback captured, so the others are not told that
        // the callback has run.
        let others = outcomes
            .iter()
            .filter(|outcome| **outcome == Unregistered::NotPending);
        assert_eq!(others.count(), 3, "{outcomes:?}");
        assert!(probe.captures_are_dropped());
    }
}

/// Normally the watcher's thread knows of two exits then, and runs the callback of one.
/// Meanwhile the other's last callback is taken out.
pub(super) fn the_last_callback_goes_as_its_exit_is_in_flight(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let occupied = stage.occupy(&*watcher);
    let (told_first, told) = mpsc::channel();
    // Which of the two is told first is not promised.
    let both = [0, 1].map(|index| {
        let (child, gate, probe) = (stage.child(), Gate::new(), Probe::new());
        watcher.register_pid(child.pid()).unwrap();
        let callback = probe.callback_then({
            let (told_first, gate) = (told_first.clone(), gate.clone());
            move |_| {
                told_first.send(index).unwrap();
                gate.pass();
            }
        });
        let handle = watcher.register_callback(child.pid(), callback).unwrap();
        (child, gate, probe, handle)
    });
    // While the thread is occupied both exits gather, so that one wait reports both.
    for (child, ..) in &both {
        child.die(End::Code(0));
    }
    occupied.release();
    let first = told.recv_timeout(deadline::patience()).unwrap();
    let [(_, gate, ran, _), (other, others_gate, never, handle)] = [&both[first], &both[1 - first]];
    assert_eq!(
        watcher.unregister_callback(*handle),
        Unregistered::WillNotRun
    );
    watcher.unregister_pid(other.pid());
    others_gate.open();
    gate.open();
    ran.ran_once();

    stage.settle(&*watcher);
    assert_eq!(never.runs(), 0, "it ran after it was taken out");
}

pub(super) fn unregister_races_the_exit(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let (mut ran, mut taken_out) = (0, 0);
    for round in 0_u8..200 {
        let mut child = stage.child();
        let probe = Probe::new();
        let handle = watcher.watch(child.pid(), probe.callback()).unwrap();
        child.let_go(End::Code(0));
        for _ in 0..u32::from(round) * 4 {
            std::hint::spin_loop();
        }
        match watcher.unregister_callback(handle) {
            Unregistered::WillNotRun => {
                assert_eq!(probe.runs(), 0);
                taken_out += 1;
            }
            Unregistered::HasRun => {
                assert_eq!(probe.runs(), 1);
                ran += 1;
            }
            Unregistered::IsRunning | Unregistered::NotPending => {
                panic!("neither inside a callback nor cancelled before")
            }
        }
        assert!(probe.captures_are_dropped());
        child.confirm_dead();
        child.reap();
        assert!(probe.runs() <= 1);
    }
    assert_eq!(ran + taken_out, 200);
    stage.settle(&*watcher);
}
