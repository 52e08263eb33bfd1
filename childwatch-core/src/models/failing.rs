//! The engine over a source that cannot wait, or cannot be woken.

use std::sync::Arc;

use loom::thread;

use super::source::{Kernel, pid};
use super::stage::Met;
use super::trace::{Fate, Trace};
use crate::contract::callback::Unregistered;
use crate::contract::error::WatchError;
use crate::contract::watcher::PidWatcher;
use crate::engine::threaded::ThreadedWatcher;
use crate::models::interleavings;
use crate::platform::sync::time_runs_out;

/// C12. The pause would last for ever, because no time passes in a model.
#[test]
fn a_pause_after_a_failed_wait_ends_with_the_watcher() {
    interleavings::all(|| {
        let kernel = Kernel::default();
        kernel.fail_waits();
        let watcher = ThreadedWatcher::start(kernel.source(), ()).unwrap();
        let trace = Trace::new();
        watcher.watch(pid(1), trace.callback()).unwrap();
        drop(watcher);
        assert_eq!(trace.fate(), Fate::DroppedUnrun);
    });
}

/// C3: the reports of a failed wait do not wait for the end of the pause. The pause never ends
/// here.
#[test]
fn the_reports_of_a_failed_wait_are_handed_over_before_the_pause() {
    interleavings::preempted(3, || {
        let kernel = Kernel::default();
        kernel.fail_reporting_waits();
        let watcher = ThreadedWatcher::start(kernel.source(), ()).unwrap();
        let pid = pid(1);
        let trace = Trace::new();
        let exiting = thread::spawn({
            let kernel = kernel.clone();
            move || kernel.exit(pid)
        });
        watcher.watch(pid, trace.callback()).unwrap();
        trace.wait_until_over();
        exiting.join().unwrap();
        drop(watcher);
        assert_eq!(trace.fate(), Fate::HasRun);
    });
}

/// C1, C3: exits are then reported late, and not lost.
#[test]
fn an_exit_is_told_after_waits_that_fail_and_pauses_that_run_out() {
    let met = Met::new();
    interleavings::preempted(3, {
        let met = met.clone();
        move || {
            time_runs_out(2);
            let kernel = Kernel::default();
            kernel.fail_some_waits(2);
            let watcher = ThreadedWatcher::start(kernel.source(), ()).unwrap();
            let pid = pid(1);
            let trace = Trace::new();
            let exiting = thread::spawn({
                let kernel = kernel.clone();
                move || kernel.exit(pid)
            });
            watcher.watch(pid, trace.callback()).unwrap();
            trace.wait_until_over();
            exiting.join().unwrap();
            met.note(kernel.has_failed_all());
            drop(watcher);
            assert_eq!(trace.fate(), Fate::HasRun);
        }
    });
    met.assert([true]);
}

/// S3: no other process gets the slot before the source has disarmed its token. The source checks
/// that.
#[test]
fn a_place_that_is_given_back_goes_to_another_when_it_is_disarmed() {
    interleavings::preempted(3, || {
        let kernel = Kernel::default();
        let watcher = Arc::new(ThreadedWatcher::start(kernel.source(), ()).unwrap());
        let [pid, next] = [pid(1), pid(2)];
        let [first, second] = [Trace::new(), Trace::new()];
        let handle = watcher.watch(pid, first.callback()).unwrap();
        let other = thread::spawn({
            let (watcher, second) = (Arc::clone(&watcher), Arc::clone(&second));
            move || watcher.watch(next, second.callback()).map(drop).unwrap()
        });
        kernel.exit(pid);
        watcher.unregister_callback(handle);
        other.join().unwrap();
        drop(watcher);
        assert_eq!(second.fate(), Fate::DroppedUnrun);
        // Tokens that are armed at the end are dropped with the source.
        assert!(kernel.armed() <= 1);
    });
}

/// C2: the call returns `Os` and leaves nothing, unless the thread has run the callback anyway.
#[test]
fn a_late_callback_for_which_the_thread_cannot_be_woken_is_refused_unless_it_runs() {
    let met = Met::new();
    interleavings::preempted(4, {
        let met = met.clone();
        move || {
            let kernel = Kernel::default();
            kernel.fail_wakes(1);
            let watcher = ThreadedWatcher::start(kernel.source(), ()).unwrap();
            let pid = pid(1);
            let [first, late] = [Trace::new(), Trace::new()];
            watcher.register_pid(pid).unwrap();
            watcher.register_callback(pid, first.callback()).unwrap();
            let exiting = thread::spawn({
                let kernel = kernel.clone();
                move || kernel.exit(pid)
            });
            first.wait_until_over();
            let expected = match watcher.register_callback(pid, late.callback()) {
                Ok(_) => {
                    late.wait_until_over();
                    Fate::HasRun
                }
                Err(WatchError::Os { .. }) => {
                    assert_eq!(late.fate(), Fate::DroppedUnrun);
                    Fate::DroppedUnrun
                }
                Err(error) => panic!("{error}"),
            };
            // If the thread need not be woken for that, it is woken for the drop.
            kernel.fail_wakes(0);
            drop(watcher);
            assert_eq!(late.fate(), expected);
            met.note(expected);
            exiting.join().unwrap();
        }
    });
    met.assert([Fate::HasRun, Fate::DroppedUnrun]);
}

/// C12: the thread is not joined, but it runs no further callback.
#[test]
fn a_drop_that_cannot_end_the_wait_still_waits_for_a_running_callback() {
    let met = Met::new();
    interleavings::preempted(4, {
        let met = met.clone();
        move || {
            let kernel = Kernel::default();
            kernel.fail_wakes(1);
            let watcher = ThreadedWatcher::start(kernel.source(), ()).unwrap();
            let pid = pid(1);
            let traces = [Trace::new(), Trace::new()];
            for trace in &traces {
                watcher.watch(pid, trace.callback()).unwrap();
            }
            let exiting = thread::spawn({
                let kernel = kernel.clone();
                move || kernel.exit(pid)
            });
            drop(watcher);
            let fates = [traces[0].fate(), traces[1].fate()];
            met.note(fates);
            exiting.join().unwrap();
            // A thread must not outlive its model.
            kernel.end_wait();
            assert_eq!([traces[0].fate(), traces[1].fate()], fates);
        }
    });
    met.assert([
        [Fate::HasRun, Fate::HasRun],
        [Fate::HasRun, Fate::DroppedUnrun],
        [Fate::DroppedUnrun, Fate::DroppedUnrun],
    ]);
}

/// S9: whatever happens first, each callback is run or dropped, and no call waits for the thread
/// that has ended.
#[test]
fn a_source_that_panics_leaves_no_callback_behind() {
    let met = Met::new();
    interleavings::preempted(3, {
        let met = met.clone();
        move || {
            let kernel = Kernel::default();
            let watcher = ThreadedWatcher::start(kernel.source(), ()).unwrap();
            let pid = pid(1);
            let [first, late] = [Trace::new(), Trace::new()];
            let handle = watcher.watch(pid, first.callback()).unwrap();
            let panicking = thread::spawn({
                let kernel = kernel.clone();
                move || {
                    kernel.exit(pid);
                    kernel.panic_in_waits();
                }
            });
            let refused = match watcher.watch(pid, late.callback()) {
                Ok(_) => false,
                Err(WatchError::Stopped) => true,
                Err(error) => panic!("{error}"),
            };
            let answer = watcher.unregister_callback(handle);
            for trace in [&first, &late] {
                trace.wait_until_over();
            }
            match answer {
                Unregistered::HasRun => assert_eq!(first.fate(), Fate::HasRun),
                Unregistered::WillNotRun => assert_eq!(first.fate(), Fate::DroppedUnrun),
                Unregistered::NotPending | Unregistered::IsRunning => {}
            }
            met.note((refused, late.fate()));
            panicking.join().unwrap();
            drop(watcher);
        }
    });
    met.assert([
        (false, Fate::HasRun),
        (false, Fate::DroppedUnrun),
        (true, Fate::DroppedUnrun),
    ]);
}
