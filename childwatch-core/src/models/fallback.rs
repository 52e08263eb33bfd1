//! One watcher over two sources: the thread of the second source, and which source a token
//! belongs to.

use std::sync::Arc;

use loom::thread;

use super::source::{Kernel, Source, pid};
use super::stage::Met;
use super::trace::{Fate, Trace};
use crate::contract::watcher::PidWatcher;
use crate::models::interleavings;
use crate::platform::sync::time_runs_out;
use crate::watchers::fallback::FallbackWatcher;

/// A watcher, the kernel of its primary and that of its secondary.
fn stage() -> (FallbackWatcher<Source, Source>, Kernel, Kernel) {
    let [primary, secondary] = [Kernel::default(), Kernel::default()];
    let watcher = FallbackWatcher::new((primary.source(), ()), (secondary.source(), ())).unwrap();
    (watcher, primary, secondary)
}

/// C1, C3, C8: the report goes through two threads.
#[test]
fn an_exit_that_the_secondary_sees_is_told_once() {
    interleavings::preempted(2, || {
        let (watcher, primary, secondary) = stage();
        let pid = pid(1);
        primary.run_out_of_room_for(pid);
        let trace = Trace::new();
        let exiting = thread::spawn({
            let secondary = secondary.clone();
            move || secondary.exit(pid)
        });
        watcher.watch(pid, trace.callback()).unwrap();
        trace.wait_until_over();
        exiting.join().unwrap();
        drop(watcher);
        assert_eq!(trace.fate(), Fate::HasRun);
        assert_eq!((primary.armed(), secondary.armed()), (0, 0));
    });
}

/// S3: a watch ends in the source that began it, also if other watches end at the same time. The
/// sources check that.
#[test]
fn each_token_is_disarmed_where_it_is_armed() {
    interleavings::preempted(2, || {
        let (watcher, primary, secondary) = stage();
        let watcher = Arc::new(watcher);
        let [near, far] = [pid(1), pid(2)];
        primary.run_out_of_room_for(far);
        secondary.exit(far);
        let traces = [Trace::new(), Trace::new()];
        let other = thread::spawn({
            let (watcher, trace) = (Arc::clone(&watcher), Arc::clone(&traces[0]));
            move || {
                let handle = watcher.watch(near, trace.callback()).unwrap();
                watcher.unregister_callback(handle);
            }
        });
        watcher.watch(far, traces[1].callback()).unwrap();
        traces[1].wait_until_over();
        other.join().unwrap();
        drop(watcher);
        assert_eq!(traces[0].fate(), Fate::DroppedUnrun);
        assert_eq!(traces[1].fate(), Fate::HasRun);
        assert_eq!((primary.armed(), secondary.armed()), (0, 0));
    });
}

/// C12: the secondary's thread tries again and again to wake the watcher's thread. The end of the
/// watcher ends that.
#[test]
fn a_drop_ends_a_hand_over_that_cannot_wake_the_watchers_thread() {
    let met = Met::new();
    interleavings::preempted(2, {
        let met = met.clone();
        move || {
            let (watcher, primary, secondary) = stage();
            let pid = pid(1);
            primary.run_out_of_room_for(pid);
            let trace = Trace::new();
            watcher.watch(pid, trace.callback()).unwrap();
            primary.fail_wakes(1);
            let exiting = thread::spawn({
                let secondary = secondary.clone();
                move || secondary.exit(pid)
            });
            exiting.join().unwrap();
            drop(watcher);
            // The wake that fails may be that of the drop.
            primary.end_wait();
            met.note(trace.fate());
        }
    });
    met.assert([Fate::DroppedUnrun]);
}

/// C1, C3: the secondary's thread tries again after its pause.
#[test]
fn a_hand_over_that_cannot_wake_the_watchers_thread_is_tried_again() {
    interleavings::preempted(2, || {
        time_runs_out(1);
        let (watcher, primary, secondary) = stage();
        let pid = pid(1);
        primary.run_out_of_room_for(pid);
        let trace = Trace::new();
        watcher.watch(pid, trace.callback()).unwrap();
        primary.fail_wakes(1);
        secondary.exit(pid);
        trace.wait_until_over();
        assert_eq!(trace.fate(), Fate::HasRun);
        drop(watcher);
    });
}

/// C1, C3: one wait of the primary fails, and its pause runs out.
#[test]
fn an_exit_that_the_secondary_sees_is_told_while_the_primary_cannot_wait() {
    interleavings::preempted(2, || {
        time_runs_out(1);
        let (watcher, primary, secondary) = stage();
        let pid = pid(1);
        primary.run_out_of_room_for(pid);
        let trace = Trace::new();
        primary.fail_some_waits(1);
        watcher.watch(pid, trace.callback()).unwrap();
        secondary.exit(pid);
        trace.wait_until_over();
        assert_eq!(trace.fate(), Fate::HasRun);
        drop(watcher);
    });
}

/// C3: no pause runs out here.
#[test]
fn the_reports_of_a_failed_wait_of_the_secondary_are_handed_over_before_the_pause() {
    interleavings::preempted(2, || {
        let (watcher, primary, secondary) = stage();
        let pid = pid(1);
        primary.run_out_of_room_for(pid);
        secondary.fail_reporting_waits();
        let trace = Trace::new();
        watcher.watch(pid, trace.callback()).unwrap();
        secondary.exit(pid);
        trace.wait_until_over();
        assert_eq!(trace.fate(), Fate::HasRun);
        drop(watcher);
    });
}

/// C12.
#[test]
fn a_drop_ends_the_pause_of_a_secondary_that_cannot_wait() {
    interleavings::preempted(3, || {
        let (watcher, _primary, secondary) = stage();
        secondary.fail_waits();
        drop(watcher);
    });
}

/// S9: no other call wakes the watcher's thread afterwards.
#[test]
fn a_panic_of_the_secondary_ends_the_watcher() {
    interleavings::preempted(2, || {
        let (watcher, _primary, secondary) = stage();
        let trace = Trace::new();
        watcher.watch(pid(1), trace.callback()).unwrap();
        secondary.panic_in_waits();
        trace.wait_until_over();
        assert_eq!(trace.fate(), Fate::DroppedUnrun);
        drop(watcher);
    });
}
