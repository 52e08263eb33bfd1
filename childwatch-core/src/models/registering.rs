//! Registering against exits, against each other, and late.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::stage::{Met, begin_exit, stage, status};
use super::trace::{Fate, Trace};
use crate::contract::error::WatchError;
use crate::contract::watcher::PidWatcher;
use crate::models::interleavings;

/// C1, C3, C5, C8.
#[test]
fn an_exit_that_races_its_registration_is_told_once() {
    interleavings::preempted(3, || {
        let (processes, watcher) = stage();
        let pid = processes.spawn();
        let trace = Trace::new();
        let exiting = begin_exit(&processes, pid);
        watcher.register_pid(pid).unwrap();
        watcher.register_callback(pid, trace.callback()).unwrap();
        watcher.unregister_pid(pid);
        trace.wait_until_over();
        exiting.join().unwrap();
        drop(watcher);
        assert_eq!(trace.fate(), Fate::HasRun);
    });
}

/// C8: the registration ends with `unregister_pid` or with its last callback, whichever is later.
/// The source then disarms its token, and the slot is free for the next process.
#[test]
fn a_registration_ends_with_unregister_pid_or_with_its_last_callback() {
    interleavings::preempted(3, || {
        let (processes, watcher) = stage();
        let pid = processes.spawn();
        let trace = Trace::new();
        watcher.register_pid(pid).unwrap();
        watcher.register_callback(pid, trace.callback()).unwrap();
        let exiting = begin_exit(&processes, pid);
        watcher.unregister_pid(pid);
        exiting.join().unwrap();
        trace.wait_until_over();

        // A callback of another process runs after that.
        let watched = Arc::new(AtomicUsize::new(usize::MAX));
        let other = processes.spawn();
        assert!(processes.exit(other, status(0)));
        let next = Trace::new();
        let look = next.callback_that({
            let (processes, watched) = (processes.clone(), Arc::clone(&watched));
            move |_| watched.store(processes.registration_count(), Ordering::Relaxed)
        });
        watcher.watch(other, look).unwrap();
        next.wait_until_over();
        // The registration of the other process.
        assert_eq!(watched.load(Ordering::Relaxed), 1);
        assert_eq!(trace.fate(), Fate::HasRun);
    });
}

/// C2.
#[test]
fn of_two_threads_that_register_a_process_one_is_told_that_it_is_registered() {
    interleavings::preempted(4, || {
        let (processes, watcher) = stage();
        let pid = processes.spawn();
        let other = thread::spawn({
            let watcher = Arc::clone(&watcher);
            move || watcher.register_pid(pid)
        });
        let answers = [watcher.register_pid(pid), other.join().unwrap()];
        let is_refused = |answer: &&Result<(), WatchError>| {
            matches!(answer, Err(WatchError::AlreadyRegistered { .. }))
        };
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        assert_eq!(answers.iter().filter(is_refused).count(), 1);
        assert_eq!(processes.registration_count(), 1);
    });
}

/// C1, C3: each thread joins the registration of the other, or makes its own.
#[test]
fn two_threads_that_watch_an_exiting_process_are_both_told() {
    interleavings::preempted(2, || {
        let (processes, watcher) = stage();
        let pid = processes.spawn();
        let traces = [Trace::new(), Trace::new()];
        let other = thread::spawn({
            let (watcher, trace) = (Arc::clone(&watcher), Arc::clone(&traces[1]));
            move || watcher.watch(pid, trace.callback()).map(drop).unwrap()
        });
        let exiting = begin_exit(&processes, pid);
        watcher.watch(pid, traces[0].callback()).unwrap();
        for trace in &traces {
            trace.wait_until_over();
            assert_eq!(trace.fate(), Fate::HasRun);
        }
        other.join().unwrap();
        exiting.join().unwrap();
    });
}

/// C5: the watcher's thread is woken, or looks at the registry once more before it sleeps.
#[test]
fn a_late_callback_is_run_whatever_the_thread_is_about_to_do() {
    interleavings::preempted(3, || {
        let (processes, watcher) = stage();
        let pid = processes.spawn();
        watcher.register_pid(pid).unwrap();
        let traces = [Trace::new(), Trace::new()];
        let exiting = begin_exit(&processes, pid);
        for trace in &traces {
            watcher.register_callback(pid, trace.callback()).unwrap();
        }
        for trace in &traces {
            trace.wait_until_over();
            assert_eq!(trace.fate(), Fate::HasRun);
        }
        exiting.join().unwrap();
    });
}

/// C5, C10: a callback that another callback registers runs in the same round. So does a callback
/// that another thread registers meanwhile.
#[test]
fn a_callback_that_is_registered_during_another_is_run() {
    interleavings::preempted(3, || {
        let (processes, watcher) = stage();
        let pid = processes.spawn();
        watcher.register_pid(pid).unwrap();
        let [first, inside, beside] = [Trace::new(), Trace::new(), Trace::new()];
        let register_inside = first.callback_that({
            let (watcher, inside) = (Arc::clone(&watcher), Arc::clone(&inside));
            move |_| {
                watcher.register_callback(pid, inside.callback()).unwrap();
            }
        });
        watcher.register_callback(pid, register_inside).unwrap();
        let exiting = begin_exit(&processes, pid);
        watcher.register_callback(pid, beside.callback()).unwrap();
        for trace in [first, inside, beside] {
            trace.wait_until_over();
            assert_eq!(trace.fate(), Fate::HasRun);
        }
        exiting.join().unwrap();
    });
}

/// C8: a callback is accepted, and then runs, or is refused, and dropped.
#[test]
fn a_callback_that_races_unregister_pid_is_run_or_refused() {
    let met = Met::new();
    interleavings::preempted(3, {
        let met = met.clone();
        move || {
            let (processes, watcher) = stage();
            let pid = processes.spawn();
            assert!(processes.exit(pid, status(0)));
            watcher.register_pid(pid).unwrap();
            let trace = Trace::new();
            let unregistering = thread::spawn({
                let watcher = Arc::clone(&watcher);
                move || watcher.unregister_pid(pid)
            });
            match watcher.register_callback(pid, trace.callback()) {
                Ok(_) => {
                    trace.wait_until_over();
                    assert_eq!(trace.fate(), Fate::HasRun);
                }
                Err(error) => {
                    assert!(matches!(error, WatchError::NotRegistered { .. }));
                    assert_eq!(trace.fate(), Fate::DroppedUnrun);
                }
            }
            met.note(trace.fate());
            unregistering.join().unwrap();
        }
    });
    met.assert([Fate::HasRun, Fate::DroppedUnrun]);
}

/// C1: the registration may end between the poll's first step and its look.
#[test]
fn a_poll_finds_a_zombie_whatever_becomes_of_its_registration() {
    interleavings::preempted(3, || {
        let (processes, watcher) = stage();
        let pid = processes.spawn();
        let trace = Trace::new();
        watcher.watch(pid, trace.callback()).unwrap();
        assert!(processes.exit(pid, status(0)));
        let found = watcher.try_wait(pid).unwrap();
        assert_eq!(found.and_then(|exit| exit.status()), Some(status(0)));
        trace.wait_until_over();
        drop(watcher);
        assert_eq!(trace.fate(), Fate::HasRun);
    });
}
