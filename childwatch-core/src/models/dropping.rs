//! The end of a watcher (C12).

use std::panic;
use std::sync::{Arc, OnceLock};

use super::stage::{Met, begin_exit, stage};
use super::trace::{Fate, Trace};
use crate::contract::callback::Unregistered;
use crate::contract::watcher::PidWatcher;
use crate::models::interleavings;

#[test]
fn after_drop_no_callback_runs() {
    let met = Met::new();
    interleavings::preempted(4, {
        let met = met.clone();
        move || {
            let (processes, watcher) = stage();
            let pid = processes.spawn();
            let traces = [Trace::new(), Trace::new()];
            for trace in &traces {
                watcher.watch(pid, trace.callback()).unwrap();
            }
            let exiting = begin_exit(&processes, pid);
            drop(watcher);
            let fates = [traces[0].fate(), traces[1].fate()];
            exiting.join().unwrap();
            assert_eq!([traces[0].fate(), traces[1].fate()], fates);
            assert_eq!(processes.registration_count(), 0);
            met.note(fates);
        }
    });
    met.assert([
        [Fate::HasRun, Fate::HasRun],
        [Fate::HasRun, Fate::DroppedUnrun],
        [Fate::DroppedUnrun, Fate::DroppedUnrun],
    ]);
}

/// The thread ends when the callback has returned. Loom waits for that.
#[test]
fn a_drop_from_inside_a_callback_lets_no_other_run() {
    interleavings::preempted(5, || {
        let (processes, watcher) = stage();
        let pid = processes.spawn();
        let [first, second] = [Trace::new(), Trace::new()];
        let last = Arc::new(OnceLock::new());
        let drop_watcher = first.callback_that({
            let last = Arc::clone(&last);
            move |_| drop(Arc::into_inner(last))
        });
        watcher.watch(pid, drop_watcher).unwrap();
        watcher.watch(pid, second.callback()).unwrap();
        assert!(last.set(watcher).is_ok());
        drop(last);
        let exiting = begin_exit(&processes, pid);
        for trace in [&first, &second] {
            trace.wait_until_over();
        }
        assert_eq!(first.fate(), Fate::HasRun);
        assert_eq!(second.fate(), Fate::DroppedUnrun);
        exiting.join().unwrap();
    });
}

/// The last owner of the watcher is dropped on the watcher's own thread, or on another.
#[test]
fn a_drop_from_inside_and_one_from_outside_end_the_watcher_once() {
    let met = Met::new();
    interleavings::preempted(5, {
        let met = met.clone();
        move || {
            let (processes, watcher) = stage();
            let pid = processes.spawn();
            let trace = Trace::new();
            let share = Arc::new(OnceLock::new());
            let drop_share = trace.callback_that({
                let share = Arc::clone(&share);
                move |_| drop(Arc::into_inner(share))
            });
            watcher.watch(pid, drop_share).unwrap();
            assert!(share.set(Arc::clone(&watcher)).is_ok());
            drop(share);
            let exiting = begin_exit(&processes, pid);
            drop(watcher);
            trace.wait_until_over();
            met.note(trace.fate());
            exiting.join().unwrap();
        }
    });
    met.assert([Fate::HasRun]);
}

/// C11. The panic does not call the hook, because loom has set a hook of its own.
#[test]
fn a_panic_harms_neither_the_next_callback_nor_a_canceller_nor_the_drop() {
    let met = Met::new();
    interleavings::preempted(3, {
        let met = met.clone();
        move || {
            let (processes, watcher) = stage();
            let pid = processes.spawn();
            let [first, second] = [Trace::new(), Trace::new()];
            let handle = {
                let callback = first.callback();
                // The captures are dropped before. If loom interrupted an unwinding thread, the
                // other threads would seem to panic.
                let panics: crate::contract::callback::ExitCallback = Box::new(move |exit| {
                    callback(exit);
                    panic::resume_unwind(Box::new(()));
                });
                watcher.watch(pid, panics).unwrap()
            };
            watcher.watch(pid, second.callback()).unwrap();
            let exiting = begin_exit(&processes, pid);
            watcher.unregister_callback(handle);
            met.note(first.fate());
            second.wait_until_over();
            assert_eq!(second.fate(), Fate::HasRun);
            exiting.join().unwrap();
        }
    });
    met.assert([Fate::HasRun, Fate::DroppedUnrun]);
}

/// C12: the watcher is dropped inside a callback for which another thread waits. That thread
/// uses a canceller, which owns nothing of the watcher.
#[test]
fn a_canceller_may_wait_for_the_callback_that_drops_the_watcher() {
    let met = Met::new();
    interleavings::preempted(3, {
        let met = met.clone();
        move || {
            let (processes, watcher) = stage();
            let pid = processes.spawn();
            let trace = Trace::new();
            let last = Arc::new(OnceLock::new());
            let drop_watcher = trace.callback_that({
                let last = Arc::clone(&last);
                move |_| drop(Arc::into_inner(last))
            });
            let handle = watcher.watch(pid, drop_watcher).unwrap();
            let canceller = watcher.canceller().unwrap();
            assert!(last.set(watcher).is_ok());
            drop(last);
            let exiting = begin_exit(&processes, pid);
            let answer = canceller.unregister_callback(handle);
            trace.wait_until_over();
            match answer {
                Unregistered::HasRun => assert_eq!(trace.fate(), Fate::HasRun),
                // The captures have been dropped here, and the watcher with them.
                Unregistered::WillNotRun => assert_eq!(trace.fate(), Fate::DroppedUnrun),
                // The watcher has stopped, so it does not claim that the callback ran.
                Unregistered::NotPending => assert_eq!(trace.fate(), Fate::HasRun),
                Unregistered::IsRunning => unreachable!("not on the watcher's thread"),
            }
            met.note(trace.fate());
            exiting.join().unwrap();
        }
    });
    met.assert([Fate::HasRun, Fate::DroppedUnrun]);
}
