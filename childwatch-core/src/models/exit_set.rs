//! `ExitSet` between the threads and tasks that wait, those that change it, and the watcher's
//! thread.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::thread;

use super::stage::{Met, begin_exit, stage, status};
use super::trace::Gate;
use crate::contract::error::WatchError;
use crate::contract::exit::Exit;
use crate::contract::pid::Pid;
use crate::models::interleavings;
use crate::wait::exit_set::ExitSet;
use crate::watchers::simulated::{SimulatedProcesses, SimulatedWatcher};

struct Task(Gate);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.open();
    }
}

/// An executor that polls with a new waker each time.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        let task = Arc::new(Task(Gate::default()));
        let waker = Waker::from(Arc::clone(&task));
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => task.0.wait(),
        }
    }
}

/// The exit comes before, during or after the insertion, the wait and the poll. One of the two
/// waiters gets it, and the other one finds the set empty.
#[test]
fn of_a_thread_and_a_task_that_wait_one_gets_the_exit() {
    let met = Met::new();
    interleavings::preempted(2, {
        let met = met.clone();
        move || {
            let (processes, watcher) = stage();
            let pid = processes.spawn();
            let set = Arc::new(ExitSet::new(watcher));
            let exiting = begin_exit(&processes, pid);
            set.insert(pid).unwrap();
            let waiting = thread::spawn({
                let set = Arc::clone(&set);
                move || set.wait().unwrap()
            });
            let polled = block_on(set.next()).unwrap();
            let waited = waiting.join().unwrap();
            exiting.join().unwrap();
            met.note((polled.is_some(), waited.is_some()));
        }
    });
    met.assert([(false, true), (true, false)]);
}

/// When `remove` has returned, the exit is not returned, and nothing is registered.
#[test]
fn what_is_removed_while_it_exits_is_returned_before_or_never() {
    let met = Met::new();
    interleavings::preempted(2, {
        let met = met.clone();
        move || {
            let (processes, watcher) = stage();
            let pid = processes.spawn();
            let set = Arc::new(ExitSet::new(watcher));
            set.insert(pid).unwrap();
            let exiting = begin_exit(&processes, pid);
            let waiting = thread::spawn({
                let set = Arc::clone(&set);
                move || set.wait().unwrap()
            });
            let is_removed = set.remove(pid);
            assert_eq!(set.try_wait().unwrap(), None);
            assert!(set.is_empty());
            let waited = waiting.join().unwrap();
            exiting.join().unwrap();
            assert_ne!(waited.is_some(), is_removed);
            met.note(is_removed);
        }
    });
    met.assert([false, true]);
}

/// The watcher ends while a process is inserted and another thread waits.
#[test]
fn the_end_of_the_watcher_ends_a_wait() {
    let met = Met::new();
    interleavings::preempted(2, {
        let met = met.clone();
        move || {
            let processes = SimulatedProcesses::new();
            let (watcher, driver) = SimulatedWatcher::driven(&processes).unwrap();
            let set = ExitSet::new(watcher);
            let ending = thread::spawn(move || drop(driver));
            let inserted = set.insert(processes.spawn());
            let waited = set.wait();
            match (&inserted, &waited) {
                (Ok(()), Err(WatchError::Stopped)) | (Err(WatchError::Stopped), Ok(None)) => {}
                other => panic!("{other:?}"),
            }
            met.note(inserted.is_ok());
            ending.join().unwrap();
            drop(set);
            assert_eq!(processes.registration_count(), 0);
        }
    });
    met.assert([false, true]);
}

/// A process is removed while another thread inserts it.
#[test]
fn what_is_removed_while_it_is_inserted_is_unregistered() {
    interleavings::preempted(2, || {
        let (processes, watcher) = stage();
        let pid = processes.spawn();
        let set = Arc::new(ExitSet::new(watcher));
        let inserting = thread::spawn({
            let set = Arc::clone(&set);
            move || set.insert(pid).unwrap()
        });
        let is_removed = set.remove(pid);
        inserting.join().unwrap();
        assert_eq!(set.is_empty(), is_removed);
        assert_eq!(processes.registration_count(), usize::from(!is_removed));
        if !is_removed {
            processes.exit(pid, status(0));
            assert_eq!(set.wait().unwrap().map(Exit::pid), Some(pid));
        }
    });
}

/// No wait returns a member that has been removed. So each wait learns that the set is empty.
#[test]
fn a_removal_that_empties_the_set_ends_every_wait() {
    interleavings::preempted(2, || {
        let processes = SimulatedProcesses::new();
        let (watcher, _driver) = SimulatedWatcher::driven(&processes).unwrap();
        let pid = processes.spawn();
        let set = Arc::new(ExitSet::new(watcher));
        set.insert(pid).unwrap();
        let waiting = [(); 2].map(|()| {
            let set = Arc::clone(&set);
            thread::spawn(move || set.wait().unwrap())
        });
        assert!(set.remove(pid));
        for waiting in waiting {
            assert_eq!(waiting.join().unwrap(), None);
        }
    });
}

/// A process that is refused is nobody's answer either. It is a member until then.
#[test]
fn a_refused_insertion_ends_a_wait() {
    interleavings::preempted(2, || {
        let processes = SimulatedProcesses::new();
        let (watcher, _driver) = SimulatedWatcher::driven(&processes).unwrap();
        let set = Arc::new(ExitSet::new(watcher));
        let waiting = thread::spawn({
            let set = Arc::clone(&set);
            move || set.wait().unwrap()
        });
        let nobody = Pid::try_from(7).unwrap();
        let refused = set.insert(nobody);
        assert!(matches!(refused, Err(WatchError::NoSuchProcess { .. })));
        assert_eq!(waiting.join().unwrap(), None);
    });
}
