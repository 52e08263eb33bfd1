//! The engine over a source whose calls fail.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::*;
use crate::simulated::SimulatedSource;
use crate::{PidWatcherExt, Report, SimulatedProcesses};

const LONG: Duration = Duration::from_secs(60);

/// A source whose calls can be made to fail a number of times.
#[derive(Debug)]
struct Failing {
    source: SimulatedSource,
    interruptions: AtomicUsize,
    waits: AtomicUsize,
    wakes: AtomicUsize,
}

impl Failing {
    fn fails(times: &AtomicUsize) -> bool {
        let order = Ordering::SeqCst;
        let left = times.fetch_update(order, order, |left| left.checked_sub(1));
        left.is_ok()
    }
}

impl ExitSource for Failing {
    type Waiter = ();

    const THREAD_NAME: &'static str = "failing";

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        self.source.arm(pid, token)
    }

    fn disarm(&self, token: Token) {
        self.source.disarm(token);
    }

    fn is_reaped(&self, token: Token) -> bool {
        self.source.is_reaped(token)
    }

    fn look(&self, token: Token) -> Option<Report> {
        self.source.look(token)
    }

    fn wait(&self, waiter: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        if Failing::fails(&self.interruptions) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if Failing::fails(&self.waits) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.source.wait(waiter, reports)
    }

    fn wake(&self) -> io::Result<()> {
        if Failing::fails(&self.wakes) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.source.wake()
    }
}

fn watcher(processes: &SimulatedProcesses) -> ThreadedWatcher<Failing> {
    let source = Failing {
        source: SimulatedSource::new(processes),
        interruptions: AtomicUsize::new(0),
        waits: AtomicUsize::new(0),
        wakes: AtomicUsize::new(0),
    };
    ThreadedWatcher::start(source, ()).unwrap()
}

fn exits(processes: &SimulatedProcesses, pid: Pid) {
    assert!(processes.exit(pid, ExitStatus::from_raw(0)));
}

#[test]
fn a_wait_that_is_interrupted_goes_on_at_once() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    // With pauses as after failures they would take minutes.
    watcher.source().interruptions.store(200, Ordering::SeqCst);
    for _ in 0..2 {
        let pid = processes.spawn();
        exits(&processes, pid);
        assert!(watcher.wait_timeout(pid, LONG).unwrap().is_some());
    }
    assert_eq!(watcher.source().interruptions.load(Ordering::SeqCst), 0);
}

#[test]
fn a_wait_that_fails_is_left_alone_for_a_while_and_loses_no_exit() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    let start = Instant::now();
    watcher.source().waits.store(7, Ordering::SeqCst);
    // The wait under way ends with the first; the second is told of after the failures.
    for _ in 0..2 {
        let pid = processes.spawn();
        exits(&processes, pid);
        assert!(watcher.wait_timeout(pid, LONG).unwrap().is_some());
    }
    assert_eq!(watcher.source().waits.load(Ordering::SeqCst), 0);
    let pauses = Duration::from_millis(1 + 2 + 4 + 8 + 16 + 32 + 64);
    assert!(start.elapsed() >= pauses);
}

#[test]
fn a_late_callback_that_cannot_be_announced_is_refused_and_taken_out() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    let pid = processes.spawn();
    watcher.register_pid(pid).unwrap();
    exits(&processes, pid);
    assert!(watcher.wait_timeout(pid, LONG).unwrap().is_some());
    // A callback that comes while the thread is about to look by itself needs no
    // announcement.
    let captured = Arc::new(());
    let refused = std::iter::repeat_with(|| {
        watcher.source().wakes.store(1, Ordering::SeqCst);
        let captured = Arc::clone(&captured);
        watcher.on_exit(pid, move |_| drop(captured))
    })
    .find_map(Result::err);
    assert!(matches!(refused, Some(WatchError::Os { .. })));
    assert!(watcher.wait_timeout(pid, LONG).unwrap().is_some());
    assert_eq!(Arc::strong_count(&captured), 1);
}

#[test]
fn callbacks_that_make_ever_new_ones_hide_no_exit() {
    /// Registers a callback that does the same, until nobody else has the watcher.
    fn again(watcher: &Arc<ThreadedWatcher<Failing>>, pid: Pid, runs: &Arc<AtomicUsize>) {
        let (weak, runs) = (Arc::downgrade(watcher), Arc::clone(runs));
        let next = move |_| {
            runs.fetch_add(1, Ordering::SeqCst);
            if let Some(watcher) = weak.upgrade() {
                again(&watcher, pid, &runs);
            }
        };
        watcher.on_exit(pid, next).unwrap();
    }
    let processes = SimulatedProcesses::new();
    let watcher = Arc::new(watcher(&processes));
    let (busy, other) = (processes.spawn(), processes.spawn());
    let runs = Arc::new(AtomicUsize::new(0));
    watcher.register_pid(busy).unwrap();
    exits(&processes, busy);
    again(&watcher, busy, &runs);
    // More than one round takes.
    while runs.load(Ordering::SeqCst) < 3_000 {
        std::thread::yield_now();
    }
    let (tell, told) = mpsc::channel();
    watcher
        .on_exit(other, move |exit| tell.send(exit).unwrap())
        .unwrap();
    exits(&processes, other);
    assert_eq!(told.recv_timeout(LONG).unwrap().pid(), other);
}

#[test]
fn what_is_due_is_run_though_the_thread_cannot_wake_itself() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    let pid = processes.spawn();
    let (tell, told) = mpsc::channel();
    // More than one round takes.
    for _ in 0..3_000 {
        let tell = tell.clone();
        watcher
            .on_exit(pid, move |_| tell.send(()).unwrap())
            .unwrap();
    }
    watcher.source().wakes.store(2, Ordering::SeqCst);
    exits(&processes, pid);
    for _ in 0..3_000 {
        told.recv_timeout(LONG).unwrap();
    }
}

#[test]
fn a_wake_that_fails_once_leaves_no_thread_behind() {
    let watcher = watcher(&SimulatedProcesses::new());
    let shared = Arc::downgrade(&watcher.shared);
    watcher.source().wakes.store(1, Ordering::SeqCst);
    drop(watcher);
    // The thread that held it too has been joined.
    assert_eq!(shared.strong_count(), 0);
}
