//! Several processes at once, on simulated processes: `ExitSet`, `wait_first` and `wait_all`.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not their helpers"
)]
#![expect(unsafe_code, reason = "a forked copy")]

mod common;

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use childwatch_core::source::delegate_pid_watcher;
use childwatch_core::{
    Exit, ExitCallback, ExitSet, Pid, PidWatcher, PidWatcherExt, SimulatedProcesses,
    SimulatedWatcher, Unregistered, WatchError, WatchHandle,
};

use common::{LONG, block_on, code, stage};

/// Waits until the watcher has reported the exit of `pid` to the callbacks before this one.
fn exit_and_report(processes: &SimulatedProcesses, watcher: &dyn PidWatcher, pid: Pid) {
    let (sender, receiver) = mpsc::channel();
    watcher
        .on_exit(pid, move |_| sender.send(()).unwrap())
        .unwrap();
    processes.exit(pid, code(0));
    receiver.recv_timeout(LONG).unwrap();
}

/// A registration ends a moment after its last callback, on the watcher's thread.
fn until_nothing_is_registered(processes: &SimulatedProcesses) {
    let start = Instant::now();
    while processes.registration_count() != 0 {
        assert!(start.elapsed() < LONG, "something is left");
        thread::yield_now();
    }
}

#[derive(Default)]
struct Counted(AtomicUsize);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn exits_come_once_and_in_the_order_of_their_reports() {
    let (processes, watcher) = stage();
    let pids = [(); 3].map(|()| processes.spawn());
    let set = watcher.exit_set();
    for pid in pids {
        set.insert(pid).unwrap();
    }
    assert_eq!((set.len(), set.pids().as_slice()), (3, &pids[..]));
    assert!(matches!(set.try_wait(), Ok(None)));
    for pid in [pids[2], pids[0], pids[1]] {
        exit_and_report(&processes, &watcher, pid);
    }
    assert_eq!(set.len(), 3, "their exits have not been returned");
    let exits = set.iter().map(|exit| exit.unwrap().pid());
    assert_eq!(exits.collect::<Vec<_>>(), [pids[2], pids[0], pids[1]]);
    assert!(set.is_empty());
    assert!(matches!(set.wait(), Ok(None)));
}

#[test]
fn an_exit_before_the_insertion_is_returned() {
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    processes.exit(pid, code(7));
    let set = watcher.exit_set();
    set.insert(pid).unwrap();
    let exit = set.wait().unwrap().unwrap();
    assert_eq!((exit.pid(), exit.status()), (pid, Some(code(7))));
}

#[test]
fn a_wait_ends_with_its_time_and_takes_nothing() {
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    let set = watcher.exit_set();
    set.insert(pid).unwrap();
    let time = Duration::from_millis(1);
    assert!(matches!(set.wait_timeout(time), Ok(None)));
    assert_eq!(set.len(), 1);
    processes.exit(pid, code(0));
    let exit = set.wait_timeout(Duration::MAX).unwrap();
    assert_eq!(exit.map(Exit::pid), Some(pid));
}

#[test]
fn a_refused_process_leaves_the_set_as_it_was() {
    let (_, watcher) = stage();
    let set = watcher.exit_set();
    let unknown = Pid::try_from(5).unwrap();
    let refused = set.insert(unknown);
    assert!(matches!(refused, Err(WatchError::NoSuchProcess { .. })));
    assert!(set.is_empty());
    assert!(matches!(set.try_wait(), Ok(None)), "and no `Stopped`");
}

#[test]
fn what_is_removed_is_not_returned() {
    let (processes, watcher) = stage();
    let [live, reported, other] = [(); 3].map(|()| processes.spawn());
    let set = watcher.exit_set();
    for pid in [live, reported, other] {
        set.insert(pid).unwrap();
    }
    exit_and_report(&processes, &watcher, reported);
    assert!(set.remove(live) && set.remove(reported));
    assert!(!set.remove(live), "it is no member any more");
    processes.exit(live, code(0));
    processes.exit(other, code(0));
    let exits: Vec<_> = set.iter().map(|exit| exit.unwrap().pid()).collect();
    assert_eq!(exits, [other]);
}

#[test]
fn a_process_that_is_inserted_twice_is_two_members() {
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    let set = watcher.exit_set();
    set.insert(pid).unwrap();
    set.insert(pid).unwrap();
    processes.exit(pid, code(0));
    let exits: Vec<_> = set.iter().map(|exit| exit.unwrap().pid()).collect();
    assert_eq!(exits, [pid, pid]);
    set.insert(pid).unwrap();
    set.insert(pid).unwrap();
    assert!(set.remove(pid));
    assert!(set.is_empty());
}

/// The pid of a reaped member comes back, and its next process is inserted too.
#[test]
fn two_processes_with_one_pid_are_two_members() {
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    let set = watcher.exit_set();
    set.insert(pid).unwrap();
    processes.exit(pid, code(3));
    processes.reap(pid);
    processes.spawn_with_pid(pid);
    set.insert(pid).unwrap();
    let first = set.wait().unwrap().unwrap();
    assert_eq!(first.status(), Some(code(3)));
    assert!(matches!(set.try_wait(), Ok(None)), "the other one lives");
    processes.exit(pid, code(4));
    let second = set.wait().unwrap().unwrap();
    assert_eq!(second.status(), Some(code(4)));
}

#[test]
fn dropping_a_set_leaves_nothing_registered() {
    let (processes, watcher) = stage();
    let watcher = Arc::new(watcher);
    for _ in 0..100 {
        let set = ExitSet::new(Arc::clone(&watcher));
        set.insert(processes.spawn()).unwrap();
        set.insert(processes.spawn()).unwrap();
    }
    assert_eq!(processes.registration_count(), 0);
    assert_eq!(Arc::strong_count(&watcher), 1);
}

/// Each member has one answer, so two waiters share the answers of two members.
#[test]
fn a_watcher_that_ends_answers_for_each_member() {
    let processes = SimulatedProcesses::new();
    let (watcher, driver) = SimulatedWatcher::driven(&processes).unwrap();
    let set = watcher.exit_set();
    set.insert(processes.spawn()).unwrap();
    set.insert(processes.spawn()).unwrap();
    thread::scope(|scope| {
        let waits = || scope.spawn(|| set.wait());
        let waiting = [waits(), waits()];
        drop(driver);
        for waiting in waiting {
            let answer = waiting.join().unwrap();
            assert!(matches!(answer, Err(WatchError::Stopped)), "{answer:?}");
        }
    });
    assert!(matches!(set.wait(), Ok(None)));
    let refused = set.insert(processes.spawn());
    assert!(matches!(refused, Err(WatchError::Stopped)), "{refused:?}");
    assert!(set.is_empty());
}

/// C11: the panic goes on when everything has been given back.
#[test]
fn a_set_whose_wakers_panic_in_their_drop_leaves_nothing_registered() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Panics {
        fn drop(&mut self) {
            resume_unwind(Box::new("the drop of a waker"));
        }
    }
    let (processes, watcher) = stage();
    let set = watcher.exit_set();
    set.insert(processes.spawn()).unwrap();
    let waker = Waker::from(Arc::new(Panics));
    let polled = set.poll_next(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    drop(waker);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(set))).is_err());
    assert_eq!(processes.registration_count(), 0);
}

/// The last exit goes to one of two waiters. The other one must not wait for ever.
#[test]
fn a_set_that_becomes_empty_ends_every_wait() {
    let (processes, watcher) = stage();
    let set = watcher.exit_set();
    let [exits, removed] = [(); 2].map(|()| processes.spawn());
    set.insert(exits).unwrap();
    let task = Arc::new(Counted::default());
    let waker = Waker::from(Arc::clone(&task));
    let mut pending = pin!(set.next());
    let polled = pending.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    thread::scope(|scope| {
        let waits = || scope.spawn(|| set.wait().unwrap().map(Exit::pid));
        let waiting = [waits(), waits()];
        processes.exit(exits, code(0));
        let mut answers = waiting.map(|waiting| waiting.join().unwrap());
        answers.sort();
        assert_eq!(answers, [None, Some(exits)]);
    });
    assert!(task.0.load(Ordering::SeqCst) > 0, "the task is woken too");
    set.insert(removed).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| set.wait().unwrap());
        set.remove(removed);
        assert_eq!(waiting.join().unwrap(), None);
    });
}

#[test]
fn a_callback_may_insert_the_next_process() {
    let (processes, watcher) = stage();
    let [first, second] = [(); 2].map(|()| processes.spawn());
    let watcher: Arc<dyn PidWatcher> = Arc::new(watcher);
    let set = Arc::new(ExitSet::new(Arc::clone(&watcher)));
    let inserts = Arc::downgrade(&set);
    watcher
        .on_exit(first, move |_| {
            inserts.upgrade().unwrap().insert(second).unwrap()
        })
        .unwrap();
    // The callback before it runs first, so the set is not empty meanwhile.
    set.insert(first).unwrap();
    processes.exit(first, code(0));
    processes.exit(second, code(0));
    let exits: Vec<_> = set.iter().map(|exit| exit.unwrap().pid()).collect();
    assert_eq!(exits, [first, second]);
}

#[test]
fn tasks_wait_for_one_set_and_each_exit_goes_to_one() {
    let (processes, watcher) = stage();
    let set = watcher.exit_set();
    let pids = [(); 2].map(|()| processes.spawn());
    for pid in pids {
        set.insert(pid).unwrap();
    }
    thread::scope(|scope| {
        let waits = || scope.spawn(|| block_on(set.next()).unwrap().unwrap().pid());
        let waiting = [waits(), waits()];
        for pid in pids {
            processes.exit(pid, code(0));
        }
        let mut answers = waiting.map(|waiting| waiting.join().unwrap());
        answers.sort();
        assert_eq!(answers, pids);
    });
    assert!(matches!(block_on(set.next()), Ok(None)));
}

/// Each exit wakes every thread. A thread that finds nothing left goes on waiting.
#[test]
fn threads_wait_for_one_set_and_each_exit_goes_to_one() {
    let (processes, watcher) = stage();
    let set = &watcher.exit_set();
    for _ in 0..20 {
        let pids = [(); 8].map(|()| processes.spawn());
        for pid in pids {
            set.insert(pid).unwrap();
        }
        thread::scope(|scope| {
            let waits = |number: usize| {
                scope.spawn(move || match number % 2 {
                    0 => set.wait_timeout(LONG).unwrap(),
                    _ => set.wait().unwrap(),
                })
            };
            let waiting: Vec<_> = (0..pids.len()).map(waits).collect();
            for pid in pids {
                processes.exit(pid, code(0));
                // So that the threads that find nothing left run in between.
                thread::yield_now();
            }
            let answers = waiting.into_iter().map(|waiting| waiting.join().unwrap());
            let mut answers: Vec<_> = answers.map(|exit| exit.map(Exit::pid)).collect();
            answers.sort();
            assert_eq!(answers, pids.map(Some));
        });
    }
}

#[test]
fn a_future_that_is_dropped_lets_its_waker_go_and_takes_nothing() {
    let (processes, watcher) = stage();
    let set = watcher.exit_set();
    let pid = processes.spawn();
    set.insert(pid).unwrap();
    let task = Arc::new(Counted::default());
    let waker = Waker::from(Arc::clone(&task));
    for _ in 0..3 {
        let mut next = Box::pin(set.next());
        for _ in 0..2 {
            let polled = next.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
    }
    drop(waker);
    assert_eq!(Arc::strong_count(&task), 1);
    processes.exit(pid, code(0));
    assert_eq!(set.wait().unwrap().map(Exit::pid), Some(pid));
    assert_eq!(task.0.load(Ordering::SeqCst), 0);
}

#[test]
fn a_waker_that_panics_keeps_no_other_task_waiting() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            std::panic::resume_unwind(Box::new("a waker"));
        }
    }
    let (processes, watcher) = stage();
    let set = watcher.exit_set();
    let pid = processes.spawn();
    set.insert(pid).unwrap();
    let waker = Waker::from(Arc::new(Panics));
    let polled = set.poll_next(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    let mut bad = pin!(set.next());
    assert!(
        bad.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let good = Arc::new(common::Unpark::current());
    let good = Waker::from(good);
    let mut next = pin!(set.next());
    let mut context = Context::from_waker(&good);
    assert!(next.as_mut().poll(&mut context).is_pending());
    processes.exit(pid, code(0));
    let answer = loop {
        if let Poll::Ready(answer) = next.as_mut().poll(&mut context) {
            break answer;
        }
        thread::park();
    };
    assert_eq!(answer.unwrap().map(Exit::pid), Some(pid));
}

#[cfg(feature = "stream")]
#[test]
fn a_set_is_a_stream() {
    use futures_core::Stream;

    let (processes, watcher) = stage();
    let pid = processes.spawn();
    let mut set = pin!(watcher.exit_set());
    set.insert(pid).unwrap();
    processes.exit(pid, code(0));
    let mut next = || {
        let set = &mut set;
        block_on(std::future::poll_fn(|context| {
            Stream::poll_next(set.as_mut(), context)
        }))
    };
    assert_eq!(next().unwrap().unwrap().pid(), pid);
    assert!(next().is_none());
}

#[test]
fn the_first_of_several_and_all_of_them() {
    let (processes, watcher) = stage();
    let pids = [(); 3].map(|()| processes.spawn());
    let watcher: &dyn PidWatcher = &watcher;
    assert!(matches!(watcher.wait_first([], LONG), Ok(None)));
    let time = Duration::from_millis(1);
    assert!(matches!(watcher.wait_first(pids, time), Ok(None)));
    assert!(watcher.wait_all(pids, time).unwrap().is_empty());
    processes.exit(pids[1], code(0));
    let first = watcher.wait_first(pids, LONG).unwrap();
    assert_eq!(first.map(Exit::pid), Some(pids[1]));
    let some = watcher.wait_all(pids, time).unwrap();
    assert_eq!(some.len(), 1);
    processes.exit(pids[0], code(0));
    processes.exit(pids[2], code(0));
    let mut all: Vec<_> = watcher
        .wait_all(pids, LONG)
        .unwrap()
        .into_iter()
        .map(Exit::pid)
        .collect();
    all.sort();
    assert_eq!(all, pids);
    let unknown = Pid::try_from(5).unwrap();
    for refused in [
        watcher.wait_first([pids[0], unknown], LONG).map(drop),
        watcher.wait_all([pids[0], unknown], LONG).map(drop),
    ] {
        assert!(matches!(refused, Err(WatchError::NoSuchProcess { .. })));
    }
    until_nothing_is_registered(&processes);
}

/// The time is that of the whole call, also if exits keep coming.
#[test]
fn exits_that_keep_coming_do_not_prolong_the_wait_for_all() {
    const BETWEEN: Duration = Duration::from_millis(20);
    let (processes, watcher) = stage();
    let pids = [(); 200].map(|()| processes.spawn());
    let (ended, end) = mpsc::channel::<()>();
    let exits = thread::scope(|scope| {
        let processes = &processes;
        scope.spawn(move || {
            for pid in pids {
                if end.recv_timeout(BETWEEN) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                processes.exit(pid, code(0));
            }
        });
        let exits = watcher.wait_all(pids, BETWEEN * 5).unwrap();
        drop(ended);
        exits
    });
    assert!(exits.len() < pids.len(), "it has waited for all");
}

/// A watcher that reports an exit just before it answers a look.
#[derive(Debug)]
struct ReportsMeanwhile {
    watcher: SimulatedWatcher,
    processes: SimulatedProcesses,
    /// The process is also reaped before the look.
    is_reaped: bool,
}

delegate_pid_watcher!(impl for ReportsMeanwhile, |this| this.watcher, {
    fn try_wait(&self, pid: Pid) -> Result<Option<Exit>, WatchError> {
        exit_and_report(&self.processes, &self.watcher, pid);
        if self.is_reaped {
            until_nothing_is_registered(&self.processes);
            self.processes.reap(pid);
        }
        self.watcher.try_wait(pid)
    }
});

/// The look finds the same exit again, or fails because the process is gone.
#[test]
fn an_exit_that_is_reported_during_the_last_look_is_returned_once() {
    type Wait = fn(&ReportsMeanwhile, Pid) -> Vec<Exit>;
    let waits: [Wait; 2] = [
        |watcher, pid| {
            let first = watcher.wait_first([pid], Duration::ZERO);
            first.unwrap().into_iter().collect()
        },
        |watcher, pid| watcher.wait_all([pid], Duration::ZERO).unwrap(),
    ];
    for is_reaped in [false, true] {
        for wait in waits {
            let (processes, watcher) = stage();
            let pid = processes.spawn();
            let watcher = ReportsMeanwhile {
                watcher,
                processes,
                is_reaped,
            };
            let exits = wait(&watcher, pid);
            assert_eq!(exits, [Exit::new(pid, Some(code(0)))], "{is_reaped}");
        }
    }
}

/// No callback can run here. So the exits are found by looks.
#[test]
fn in_a_callback_the_waits_find_what_has_exited() {
    let (processes, watcher) = stage();
    let watcher = Arc::new(watcher);
    let [own, zombie, live] = [(); 3].map(|()| processes.spawn());
    processes.exit(zombie, code(9));
    let (sender, receiver) = mpsc::channel();
    let weak = Arc::downgrade(&watcher);
    watcher
        .on_exit(own, move |_| {
            let watcher = weak.upgrade().unwrap();
            let first = watcher.wait_first([live, zombie], Duration::ZERO);
            let all = watcher.wait_all([zombie, live, zombie], Duration::ZERO);
            sender.send((first.unwrap(), all.unwrap())).unwrap();
        })
        .unwrap();
    processes.exit(own, code(0));
    let (first, all) = receiver.recv_timeout(LONG).unwrap();
    assert_eq!(first.map(Exit::pid), Some(zombie));
    let all: Vec<_> = all.into_iter().map(Exit::pid).collect();
    assert_eq!(all, [zombie, zombie]);
    drop(watcher);
}

/// A watcher of a process that has exited. Its looks find the exit, and during the first one a
/// single callback runs.
#[derive(Default)]
struct RunsOneDuringALook(Mutex<Vec<(Pid, ExitCallback)>>);

impl fmt::Debug for RunsOneDuringALook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunsOneDuringALook").finish_non_exhaustive()
    }
}

impl PidWatcher for RunsOneDuringALook {
    fn register_pid(&self, _: Pid) -> Result<(), WatchError> {
        Ok(())
    }

    fn unregister_pid(&self, _: Pid) {}

    fn register_callback(&self, pid: Pid, _: ExitCallback) -> Result<WatchHandle, WatchError> {
        Err(WatchError::NotRegistered { pid })
    }

    fn unregister_callback(&self, _: WatchHandle) -> Unregistered {
        Unregistered::WillNotRun
    }

    fn watch(&self, pid: Pid, callback: ExitCallback) -> Result<WatchHandle, WatchError> {
        self.0.lock().unwrap().push((pid, callback));
        Ok(WatchHandle::new_unique(pid))
    }

    fn try_wait(&self, pid: Pid) -> Result<Option<Exit>, WatchError> {
        let exit = Exit::new(pid, Some(code(9)));
        let first = {
            let mut callbacks = self.0.lock().unwrap();
            let is_first = callbacks.len() == 2;
            is_first.then(|| callbacks.remove(0))
        };
        if let Some((_, callback)) = first {
            callback(exit);
        }
        Ok(Some(exit))
    }
}

/// A process that was named twice is two members, and the exit of one of them has come.
#[test]
fn an_exit_that_comes_during_the_last_looks_takes_the_place_of_one_look() {
    let watcher = RunsOneDuringALook::default();
    let pid = Pid::try_from(7).unwrap();
    let exits = watcher.wait_all([pid, pid], Duration::ZERO).unwrap();
    assert_eq!(exits, [Exit::new(pid, Some(code(9))); 2]);
}

/// C15: the copy answers once, and takes no lock that another thread may have held.
#[test]
fn in_a_copy_a_set_answers_once_and_is_empty() {
    let (processes, watcher) = stage();
    let set = watcher.exit_set();
    let pid = processes.spawn();
    set.insert(pid).unwrap();
    // SAFETY: the copy takes no lock and ends at once. It allocates nothing.
    match unsafe { libc::fork() } {
        -1 => panic!("{}", std::io::Error::last_os_error()),
        0 => {
            let is_right = matches!(set.wait(), Err(WatchError::Forked))
                && matches!(set.wait(), Ok(None))
                && set.iter().next().is_none()
                && matches!(set.insert(pid), Err(WatchError::Forked))
                && !set.remove(pid)
                && set.is_empty();
            drop(set);
            // SAFETY: ends the copy.
            unsafe { libc::_exit(i32::from(!is_right)) }
        }
        copy => {
            let mut status = 0;
            // SAFETY: the status lives across the call.
            assert_eq!(unsafe { libc::waitpid(copy, &raw mut status, 0) }, copy);
            assert_eq!(status, 0);
        }
    }
    processes.exit(pid, code(0));
    assert_eq!(set.wait().unwrap().map(Exit::pid), Some(pid));
}
