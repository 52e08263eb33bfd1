//! Waits and wakes that fail.

use super::*;

#[test]
fn a_wait_that_is_interrupted_goes_on_at_once() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    // With pauses, as after failures, the waits would take minutes.
    watcher.source().interruptions.store(200, Ordering::SeqCst);
    for _ in 0..2 {
        let pid = processes.spawn();
        exit(&processes, pid);
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
    // The wait that is under way ends with the first exit. The second is reported after the
    // failures. The first process exits after its registration, because a callback that is due
    // at once would end a pause.
    let first = processes.spawn();
    let (sender, receiver) = mpsc::channel();
    watcher
        .on_exit(first, move |exit| sender.send(exit.pid()).unwrap())
        .unwrap();
    exit(&processes, first);
    assert_eq!(receiver.recv_timeout(LONG), Ok(first));
    let second = processes.spawn();
    exit(&processes, second);
    assert!(watcher.wait_timeout(second, LONG).unwrap().is_some());
    assert_eq!(watcher.source().waits.load(Ordering::SeqCst), 0);
    let pauses = Duration::from_millis(1 + 2 + 4 + 8 + 16 + 32 + 64);
    assert!(start.elapsed() >= pauses);
}

#[test]
fn a_wait_that_succeeds_makes_the_pause_after_the_next_failure_short_again() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    // With pauses that grow further, the waits would take minutes.
    watcher.source().alternations.store(400, Ordering::SeqCst);
    for _ in 0..2 {
        let pid = processes.spawn();
        exit(&processes, pid);
        assert!(watcher.wait_timeout(pid, LONG).unwrap().is_some());
    }
    assert_eq!(watcher.source().alternations.load(Ordering::SeqCst), 0);
}

#[test]
fn the_reports_of_a_wait_that_fails_are_taken_in() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    watcher
        .source()
        .waits_with_reports
        .store(3, Ordering::SeqCst);
    for _ in 0..4 {
        let pid = processes.spawn();
        exit(&processes, pid);
        assert!(watcher.wait_timeout(pid, LONG).unwrap().is_some());
    }
    let left = &watcher.source().waits_with_reports;
    assert_eq!(left.load(Ordering::SeqCst), 0);
}

#[test]
fn a_late_callback_that_cannot_be_announced_is_refused_and_taken_out() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    let pid = processes.spawn();
    watcher.register_pid(pid).unwrap();
    exit(&processes, pid);
    assert!(watcher.wait_timeout(pid, LONG).unwrap().is_some());
    // If a callback is added while the thread is about to look by itself, no wake is needed.
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
    /// Registers a callback that does the same, until it is the only owner of the watcher.
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
    exit(&processes, busy);
    again(&watcher, busy, &runs);
    // More than one round takes.
    while runs.load(Ordering::SeqCst) < 3_000 {
        std::thread::yield_now();
    }
    let (sender, receiver) = mpsc::channel();
    watcher
        .on_exit(other, move |exit| sender.send(exit).unwrap())
        .unwrap();
    exit(&processes, other);
    assert_eq!(receiver.recv_timeout(LONG).unwrap().pid(), other);
}

#[test]
fn what_is_due_is_run_though_the_thread_cannot_wake_itself() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    let pid = processes.spawn();
    let (sender, receiver) = mpsc::channel();
    // More than one round takes.
    for _ in 0..3_000 {
        let sender = sender.clone();
        watcher
            .on_exit(pid, move |_| sender.send(()).unwrap())
            .unwrap();
    }
    watcher.source().wakes.store(2, Ordering::SeqCst);
    exit(&processes, pid);
    for _ in 0..3_000 {
        receiver.recv_timeout(LONG).unwrap();
    }
}

#[test]
fn a_wake_that_fails_once_leaves_no_thread_behind() {
    let watcher = watcher(&SimulatedProcesses::new());
    let shared = Arc::downgrade(&watcher.watcher.shared);
    watcher.source().wakes.store(1, Ordering::SeqCst);
    drop(watcher);
    // The thread, which owned it too, has been joined.
    assert_eq!(shared.strong_count(), 0);
}

/// C12: the thread is not joined then, because its next wait would never end.
#[test]
fn a_drop_that_cannot_wake_the_thread_waits_for_the_running_callback() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    let pid = processes.spawn();
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let callback = move |_| {
        reached.send(()).unwrap();
        let _ = gate.recv();
        over.store(true, Ordering::SeqCst);
    };
    watcher.on_exit(pid, callback).unwrap();
    assert!(processes.exit(pid, ExitStatus::from_raw(0)));
    at_gate.recv().unwrap();
    watcher.source().wakes.store(2, Ordering::SeqCst);
    let remains = Arc::clone(&watcher.watcher.shared.remains);
    let is_over = std::thread::scope(|scope| {
        let dropping = scope.spawn(|| {
            drop(watcher);
            is_over.load(Ordering::SeqCst)
        });
        while remains.dispatch.waiting() == 0 && !dropping.is_finished() {
            std::thread::yield_now();
        }
        drop(open);
        dropping.join().unwrap()
    });
    assert!(is_over, "the drop has returned during the callback");
}
