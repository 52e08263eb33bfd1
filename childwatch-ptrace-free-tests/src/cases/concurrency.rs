//! C17: calls from many threads, and beside a slow callback.

use std::thread;

use childwatch_core::{PidWatcherExt, Unregistered};

use crate::backend::stage::Stage;
use crate::kit::child::End;
use crate::kit::probe::Probe;

pub(super) fn a_slow_callback_blocks_no_call(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let (living, dead) = (stage.child(), stage.child());
    dead.die(End::Code(0));
    let occupied = stage.occupy(&*watcher);

    let (never, late, probe) = (Probe::new(), Probe::new(), Probe::new());
    watcher.register_pid(living.pid()).unwrap();
    let handle = watcher
        .register_callback(living.pid(), never.callback())
        .unwrap();
    assert_eq!(
        watcher.unregister_callback(handle),
        Unregistered::WillNotRun
    );
    watcher.watch(dead.pid(), late.callback()).unwrap();
    watcher
        .register_callback(living.pid(), probe.callback())
        .unwrap();
    watcher.unregister_pid(living.pid());
    drop(watcher.watch_guard(living.pid(), |_| {}).unwrap());
    assert_eq!(late.runs(), 0, "two callbacks at one time");

    occupied.release();
    late.ran_once();
    living.die(End::Code(0));
    probe.ran_once();
}

pub(super) fn many_threads_at_once(stage: &Stage<'_>) {
    const THREADS: usize = 4;
    const ROUNDS: usize = 50;
    let watcher = stage.watcher();
    let probe = Probe::new();
    let expected: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (watcher, probe) = (&*watcher, &probe);
                scope.spawn(move || {
                    (0..ROUNDS)
                        .map(|round| one_life(stage, watcher, probe, (thread + round) % 3))
                        .sum::<usize>()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    probe.ran(expected);
    stage.settle(&*watcher);
    probe.ran(expected);
    assert!(probe.captures_are_dropped());
}

pub(super) fn many_threads_watch_one_process(stage: &Stage<'_>) {
    const THREADS: usize = 4;
    const ROUNDS: usize = 100;
    let watcher = stage.watcher();
    let child = stage.child();
    let (kept, taken_out) = (Probe::new(), Probe::new());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    watcher.watch(child.pid(), kept.callback()).unwrap();
                    let handle = watcher.watch(child.pid(), taken_out.callback()).unwrap();
                    let outcome = watcher.unregister_callback(handle);
                    assert_eq!(outcome, Unregistered::WillNotRun);
                }
            });
        }
    });
    child.die(End::Code(0));
    kept.ran(THREADS * ROUNDS);
    assert_eq!(taken_out.runs(), 0);
}

/// A child's whole life, with its exit before, amid or after the calls; how many
/// callbacks have run or are to run.
fn one_life(
    stage: &Stage<'_>,
    watcher: &dyn childwatch_core::PidWatcher,
    probe: &Probe,
    exit_at: usize,
) -> usize {
    let mut child = stage.child();
    let pid = child.pid();
    let let_go_at = |step| {
        if step == exit_at {
            child.let_go(End::Code(0));
        }
    };
    let_go_at(0);
    watcher.register_pid(pid).unwrap();
    let handles: Vec<_> = (0..3)
        .map(|_| watcher.register_callback(pid, probe.callback()).unwrap())
        .collect();
    let_go_at(1);
    let taken_out = handles
        .iter()
        .take(2)
        .filter(|handle| watcher.unregister_callback(**handle) == Unregistered::WillNotRun)
        .count();
    watcher.unregister_pid(pid);
    let_go_at(2);
    child.confirm_dead();
    child.reap();
    handles.len() - taken_out
}
