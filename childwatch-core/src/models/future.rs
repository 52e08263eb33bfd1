//! `Exited` between the task that polls it and the watcher's thread.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::thread;

use super::stage::{Met, begin_exit, stage};
use super::trace::Gate;
use crate::contract::exit::Exit;
use crate::contract::watcher::PidWatcher;
use crate::models::interleavings;
use crate::wait::exited::Exited;
use crate::wait::ext::PidWatcherExt;

struct Task(Gate);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.open();
    }
}

/// Polls once. If the future is pending, returns the task that will be woken.
fn poll(exited: &mut Exited) -> Result<Option<Exit>, Arc<Task>> {
    let task = Arc::new(Task(Gate::default()));
    let waker = Waker::from(Arc::clone(&task));
    match Pin::new(exited).poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(outcome) => Ok(outcome),
        Poll::Pending => Err(task),
    }
}

/// Polls as two tasks, one after the other. The second task waits.
fn block_on(mut exited: Exited) -> Option<Exit> {
    if let Ok(outcome) = poll(&mut exited) {
        return outcome;
    }
    match poll(&mut exited) {
        Ok(outcome) => outcome,
        Err(task) => {
            task.0.wait();
            poll(&mut exited).ok().expect("woken")
        }
    }
}

#[test]
fn an_exit_wakes_the_task_that_has_polled_last() {
    interleavings::preempted(3, || {
        let (processes, watcher) = stage();
        let pid = processes.spawn();
        let exited = watcher.exited(pid).unwrap();
        let exiting = begin_exit(&processes, pid);
        assert_eq!(block_on(exited).map(Exit::pid), Some(pid));
        exiting.join().unwrap();
    });
}

#[test]
fn the_end_of_the_watcher_wakes_the_task() {
    let met = Met::new();
    interleavings::preempted(3, {
        let met = met.clone();
        move || {
            let (processes, watcher) = stage();
            let pid = processes.spawn();
            let exited = watcher.exited(pid).unwrap();
            let exiting = begin_exit(&processes, pid);
            let ending = thread::spawn(move || drop(watcher));
            met.note(block_on(exited).is_some());
            ending.join().unwrap();
            exiting.join().unwrap();
        }
    });
    met.assert([false, true]);
}

/// C12: the future's canceller keeps nothing of a watcher that has been dropped, also if it is in
/// use then. The other process is watched until the source is dropped.
#[test]
fn a_future_may_be_dropped_while_its_watcher_is() {
    interleavings::preempted(3, || {
        let (processes, watcher) = stage();
        let pid = processes.spawn();
        let exited = watcher.exited(pid).unwrap();
        let exiting = begin_exit(&processes, pid);
        watcher.register_pid(processes.spawn()).unwrap();
        let ending = thread::spawn({
            let processes = processes.clone();
            move || {
                drop(watcher);
                assert_eq!(processes.registration_count(), 0);
            }
        });
        drop(exited);
        ending.join().unwrap();
        exiting.join().unwrap();
        assert_eq!(processes.registration_count(), 0);
    });
}
