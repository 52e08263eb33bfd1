//! `unregister_callback` against the callback, and against itself (C9).

use std::sync::{Arc, OnceLock};

use loom::thread;

use super::stage::{Met, begin_exit, stage, status};
use super::trace::{Fate, Trace};
use crate::contract::callback::Unregistered::{HasRun, IsRunning, NotPending, WillNotRun};
use crate::contract::callback::{Unregistered, WatchHandle};
use crate::contract::watcher::PidWatcher;
use crate::models::interleavings;

#[test]
fn a_cancel_takes_the_callback_out_or_waits_until_it_has_run() {
    let met = Met::new();
    interleavings::preempted(4, {
        let met = met.clone();
        move || {
            let (processes, watcher) = stage();
            let pid = processes.spawn();
            let trace = Trace::new();
            let handle = watcher.watch(pid, trace.callback()).unwrap();
            let exiting = begin_exit(&processes, pid);
            let expected = match watcher.unregister_callback(handle) {
                WillNotRun => Fate::DroppedUnrun,
                HasRun => Fate::HasRun,
                IsRunning => unreachable!("not on the watcher's thread"),
                NotPending => unreachable!("nobody else cancels it"),
            };
            assert_eq!(trace.fate(), expected);
            exiting.join().unwrap();
            drop(watcher);
            assert_eq!(trace.fate(), expected);
            met.note(expected);
        }
    });
    met.assert([Fate::HasRun, Fate::DroppedUnrun]);
}

/// The third callback stays due when the second is taken out while the first runs.
#[test]
fn a_cancel_leaves_the_other_callbacks_of_the_process_alone() {
    let met = Met::new();
    interleavings::preempted(3, {
        let met = met.clone();
        move || {
            let (processes, watcher) = stage();
            let pid = processes.spawn();
            let [first, second, third] = [Trace::new(), Trace::new(), Trace::new()];
            watcher.watch(pid, first.callback()).unwrap();
            let handle = watcher.watch(pid, second.callback()).unwrap();
            watcher.watch(pid, third.callback()).unwrap();
            let exiting = begin_exit(&processes, pid);
            watcher.unregister_callback(handle);
            met.note(second.fate());
            third.wait_until_over();
            assert_eq!(first.fate(), Fate::HasRun);
            assert_eq!(third.fate(), Fate::HasRun);
            exiting.join().unwrap();
        }
    });
    met.assert([Fate::HasRun, Fate::DroppedUnrun]);
}

#[test]
fn a_cancel_from_inside_is_told_so_at_once_while_another_waits() {
    let met = Met::new();
    interleavings::preempted(3, {
        let met = met.clone();
        move || {
            let (processes, watcher) = stage();
            let pid = processes.spawn();
            let trace = Trace::new();
            let own = Arc::new(OnceLock::<WatchHandle>::new());
            let answer = Arc::new(OnceLock::new());
            let cancel_itself = trace.callback_that({
                let (own, answer) = (Arc::clone(&own), Arc::clone(&answer));
                let canceller = watcher.canceller().unwrap();
                move |_| {
                    let _ = answer.set(canceller.unregister_callback(*own.get().unwrap()));
                }
            });
            let handle = watcher.watch(pid, cancel_itself).unwrap();
            own.set(handle).unwrap();
            let exiting = begin_exit(&processes, pid);
            let outside = watcher.unregister_callback(handle);
            let (inside, expected) = match outside {
                WillNotRun => (None, Fate::DroppedUnrun),
                HasRun => (Some(IsRunning), Fate::HasRun),
                IsRunning => unreachable!("not on the watcher's thread"),
                NotPending => unreachable!("nobody else cancels it"),
            };
            assert_eq!(answer.get().copied(), inside);
            assert_eq!(trace.fate(), expected);
            exiting.join().unwrap();
            met.note(expected);
        }
    });
    met.assert([Fate::HasRun, Fate::DroppedUnrun]);
}

/// At most one of the two removes the callback. The other one gets `NotPending`, because the first
/// may still be dropping the captures. If the callback is running, both wait for it.
#[test]
fn two_cancellers_agree() {
    let met = Met::new();
    interleavings::preempted(3, {
        let met = met.clone();
        move || {
            let (processes, watcher) = stage();
            let pid = processes.spawn();
            let trace = Trace::new();
            let handle = watcher.watch(pid, trace.callback()).unwrap();
            let exiting = begin_exit(&processes, pid);
            let cancel = {
                let (watcher, trace) = (Arc::clone(&watcher), Arc::clone(&trace));
                move || (watcher.unregister_callback(handle), trace.fate())
            };
            let other = thread::spawn(cancel.clone());
            let answers = [cancel(), other.join().unwrap()];
            exiting.join().unwrap();
            let taken_out = answers.iter().filter(|answer| answer.0 == WillNotRun);
            match taken_out.count() {
                0 => assert_eq!(answers, [(HasRun, Fate::HasRun); 2]),
                1 => {
                    assert!(answers.contains(&(WillNotRun, Fate::DroppedUnrun)));
                    assert!(answers.iter().any(|answer| answer.0 == NotPending));
                    assert_eq!(trace.fate(), Fate::DroppedUnrun);
                }
                _ => panic!("{answers:?}"),
            }
            met.note(trace.fate());
        }
    });
    met.assert([Fate::HasRun, Fate::DroppedUnrun]);
}

/// C10: a callback cancels the next one, and another thread does so too.
#[test]
fn a_callback_may_cancel_another_that_is_being_cancelled() {
    interleavings::preempted(3, || {
        let (processes, watcher) = stage();
        let pid = processes.spawn();
        let [first, second] = [Trace::new(), Trace::new()];
        let seconds = Arc::new(OnceLock::<WatchHandle>::new());
        let answer = Arc::new(OnceLock::new());
        let cancel_second = first.callback_that({
            let (seconds, answer) = (Arc::clone(&seconds), Arc::clone(&answer));
            let canceller = watcher.canceller().unwrap();
            move |_| {
                let _ = answer.set(canceller.unregister_callback(*seconds.get().unwrap()));
            }
        });
        watcher.watch(pid, cancel_second).unwrap();
        let handle = watcher.watch(pid, second.callback()).unwrap();
        seconds.set(handle).unwrap();
        let exiting = begin_exit(&processes, pid);
        let outside = watcher.unregister_callback(handle);
        first.wait_until_over();
        exiting.join().unwrap();
        assert_eq!(second.fate(), Fate::DroppedUnrun);
        let inside: Unregistered = *answer.get().unwrap();
        assert!([(WillNotRun, NotPending), (NotPending, WillNotRun)].contains(&(inside, outside)));
    });
}

/// C4, C10: no capture of a callback is dropped under a lock, neither when the callback is
/// cancelled nor when it has run.
#[test]
fn a_captured_value_may_call_the_watcher_when_it_is_dropped() {
    struct CallsWhenDropped(Box<dyn FnMut() + Send>);

    impl Drop for CallsWhenDropped {
        fn drop(&mut self) {
            (self.0)();
        }
    }

    interleavings::preempted(3, || {
        let (processes, watcher) = stage();
        let [pid, other] = [processes.spawn(), processes.spawn()];
        let [first, second] = [Trace::new(), Trace::new()];
        watcher.register_pid(other).unwrap();
        assert!(processes.exit(other, status(0)));
        let captured = CallsWhenDropped(Box::new({
            // Not the watcher itself, which would then own itself.
            let (watcher, second) = (Arc::downgrade(&watcher), Arc::clone(&second));
            move || {
                if let Some(watcher) = watcher.upgrade() {
                    watcher.register_callback(other, second.callback()).unwrap();
                    watcher.unregister_pid(other);
                }
            }
        }));
        let callback = first.callback_that(move |_| drop(captured));
        let handle = watcher.watch(pid, callback).unwrap();
        let exiting = begin_exit(&processes, pid);
        watcher.unregister_callback(handle);
        second.wait_until_over();
        assert_eq!(second.fate(), Fate::HasRun);
        exiting.join().unwrap();
    });
}
