//! Slots and pids that are used again.

use std::sync::Arc;

use loom::thread;

use super::stage::{Met, begin_exit, stage, status};
use super::trace::{Fate, Trace};
use crate::contract::error::WatchError;
use crate::contract::watcher::PidWatcher;
use crate::models::interleavings;

/// S2: a report may be in flight when its slot in the registry goes to another process.
#[test]
fn a_report_of_a_places_former_holder_is_not_believed() {
    interleavings::preempted(4, || {
        let (processes, watcher) = stage();
        let [former, next] = [processes.spawn(), processes.spawn()];
        let trace = Trace::new();
        watcher.register_pid(former).unwrap();
        let exiting = begin_exit(&processes, former);
        watcher.unregister_pid(former);
        watcher.watch(next, trace.callback()).unwrap();
        exiting.join().unwrap();
        drop(watcher);
        assert_eq!(trace.fate(), Fate::DroppedUnrun);
    });
}

/// C13: a process exits, is reaped, and its pid is reused, while the pid is being registered. The
/// registration means either the old process or the new one.
#[test]
fn a_number_that_comes_back_belongs_to_another_process() {
    let met = Met::new();
    interleavings::preempted(3, {
        let met = met.clone();
        move || {
            let (processes, watcher) = stage();
            let pid = processes.spawn();
            let [old, new] = [Trace::new(), Trace::new()];
            watcher.register_pid(pid).unwrap();
            watcher.register_callback(pid, old.callback()).unwrap();
            let reusing = thread::spawn({
                let processes = processes.clone();
                move || {
                    assert!(processes.exit(pid, status(1)));
                    assert!(processes.reap(pid).is_some());
                    assert!(processes.spawn_with_pid(pid));
                }
            });
            let registered = watcher.register_pid(pid);
            reusing.join().unwrap();
            met.note(match &registered {
                Ok(()) => "the new one",
                Err(WatchError::AlreadyRegistered { .. }) => "the old one",
                Err(WatchError::NoSuchProcess { .. }) => "none between",
                Err(_) => "something else",
            });
            let expected = if registered.is_ok() {
                watcher.register_callback(pid, new.callback()).unwrap();
                // The callback of the old process runs. That of the new one does not.
                Fate::DroppedUnrun
            } else {
                // The registration of the old process is still in force.
                watcher.register_callback(pid, new.callback()).unwrap();
                new.wait_until_over();
                Fate::HasRun
            };
            old.wait_until_over();
            drop(watcher);
            assert_eq!(old.fate(), Fate::HasRun);
            assert_eq!(new.fate(), expected);
        }
    });
    met.assert(["the new one", "the old one", "none between"]);
}

/// C13, C3: two threads find at the same time that the pid is free.
#[test]
fn two_threads_that_watch_a_number_that_has_come_back_are_told_of_the_new_process() {
    interleavings::preempted(2, || {
        let (processes, watcher) = stage();
        let pid = processes.spawn();
        let old = Trace::new();
        watcher.register_pid(pid).unwrap();
        assert!(processes.exit(pid, status(1)));
        assert!(processes.reap(pid).is_some());
        assert!(processes.spawn_with_pid(pid));
        watcher.register_callback(pid, old.callback()).unwrap();
        let new = [Trace::new(), Trace::new()];
        let other = thread::spawn({
            let (watcher, trace) = (Arc::clone(&watcher), Arc::clone(&new[1]));
            move || watcher.watch(pid, trace.callback()).map(drop).unwrap()
        });
        watcher.watch(pid, new[0].callback()).unwrap();
        other.join().unwrap();
        old.wait_until_over();
        assert_eq!(old.fate(), Fate::HasRun);
        for trace in &new {
            assert_eq!(trace.fate(), Fate::Other { runs: 0, drops: 0 });
        }
        assert!(processes.exit(pid, status(2)));
        for trace in &new {
            trace.wait_until_over();
            assert_eq!(trace.fate(), Fate::HasRun);
        }
    });
}
