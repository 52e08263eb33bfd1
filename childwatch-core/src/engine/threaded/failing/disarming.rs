//! A disarming that takes a while.

use super::*;

/// The disarming of a registration, while it is under way.
struct Disarming<'a> {
    watcher: &'a ThreadedWatcher<Failing>,
    at_gate: mpsc::Receiver<()>,
    open: mpsc::Sender<()>,
}

impl<'a> Disarming<'a> {
    /// From now on each disarming waits at a gate.
    fn gated(watcher: &'a ThreadedWatcher<Failing>) -> Self {
        let (reached, at_gate) = mpsc::channel();
        let (open, gate) = mpsc::channel::<()>();
        *watcher.source().gate.lock().unwrap() = Some((reached, gate));
        Disarming {
            watcher,
            at_gate,
            open,
        }
    }

    /// Waits for a disarming of the process in slot 0, and checks that no other process gets that
    /// slot before the disarming has ended.
    fn assert_keeps_its_slot(self, pid: Pid) {
        self.at_gate.recv_timeout(LONG).unwrap();
        let dispatch = self.watcher.watcher.shared.dispatch();
        let token = dispatch.reserve(pid);
        assert_ne!(token.index(), 0, "the source has the place armed still");
        dispatch.release(token);
        drop(self.open);
    }
}

#[test]
fn a_place_is_nobody_elses_until_the_source_has_disarmed_it() {
    let processes = SimulatedProcesses::new();
    let watchers = [(); 5].map(|()| watcher(&processes));
    let [by_pid, by_handle, by_canceller, by_poll, by_run] = &watchers;
    let (live, ending) = (processes.spawn(), processes.spawn());
    std::thread::scope(|scope| {
        by_pid.register_pid(live).unwrap();
        let disarming = Disarming::gated(by_pid);
        scope.spawn(|| by_pid.unregister_pid(live));
        disarming.assert_keeps_its_slot(live);

        let handle = by_handle.on_exit(live, |_| {}).unwrap();
        let disarming = Disarming::gated(by_handle);
        scope.spawn(move || by_handle.unregister_callback(handle));
        disarming.assert_keeps_its_slot(live);

        let handle = by_canceller.on_exit(live, |_| {}).unwrap();
        let canceller = by_canceller.canceller().unwrap();
        let disarming = Disarming::gated(by_canceller);
        scope.spawn(move || canceller.unregister_callback(handle));
        disarming.assert_keeps_its_slot(live);

        let disarming = Disarming::gated(by_poll);
        scope.spawn(|| assert_eq!(by_poll.try_wait(live).unwrap(), None));
        disarming.assert_keeps_its_slot(live);

        by_run.on_exit(ending, |_| {}).unwrap();
        let disarming = Disarming::gated(by_run);
        exit(&processes, ending);
        disarming.assert_keeps_its_slot(live);
    });
}

#[test]
fn a_drop_waits_for_a_disarming_and_a_held_canceller_keeps_nothing() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    let pid = processes.spawn();
    let handle = watcher.on_exit(pid, |_| {}).unwrap();
    let never = watcher.on_exit(pid, |_| {}).unwrap();
    watcher.unregister_callback(never);
    let canceller = watcher.canceller().unwrap();
    let shared = Arc::downgrade(&watcher.watcher.shared);
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    *watcher.source().gate.lock().unwrap() = Some((reached, gate));
    std::thread::scope(|scope| {
        let cancelling = scope.spawn(|| canceller.unregister_callback(handle));
        at_gate.recv().unwrap();
        let dropping = scope.spawn(|| drop(watcher));
        // It can't return before the gate is open.
        for _ in 0..100 {
            std::thread::yield_now();
        }
        assert!(!dropping.is_finished());
        drop(open);
        dropping.join().unwrap();
        assert_eq!(shared.strong_count(), 0, "the source is gone");
        assert_eq!(cancelling.join().unwrap(), Unregistered::WillNotRun);
    });
    assert_eq!(processes.registration_count(), 0);
    for handle in [handle, never] {
        let answer = canceller.unregister_callback(handle);
        assert_eq!(answer, Unregistered::NotPending);
    }
}

/// The `Drop` of a captured value may fork. The copy waits for no disarming, because the thread
/// that disarms does not exist there.
#[test]
fn a_drop_drops_its_captures_when_nothing_is_disarmed_any_more() {
    struct Captured(Arc<AtomicBool>, mpsc::Sender<bool>);

    impl Drop for Captured {
        fn drop(&mut self) {
            let is_open = self.0.load(Ordering::SeqCst);
            self.1.send(is_open).unwrap();
        }
    }

    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    let cancelled = watcher.on_exit(processes.spawn(), |_| {}).unwrap();
    let is_open = Arc::new(AtomicBool::new(false));
    let (sender, dropped) = mpsc::channel();
    let captured = Captured(Arc::clone(&is_open), sender);
    let callback = move |_| drop(captured);
    watcher.on_exit(processes.spawn(), callback).unwrap();
    let canceller = watcher.canceller().unwrap();
    let remains = Arc::clone(&watcher.watcher.shared.remains);
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    *watcher.source().gate.lock().unwrap() = Some((reached, gate));
    std::thread::scope(|scope| {
        scope.spawn(|| canceller.unregister_callback(cancelled));
        at_gate.recv().unwrap();
        scope.spawn(|| drop(watcher));
        while remains.dispatch.waiting() == 0 {
            std::thread::yield_now();
        }
        is_open.store(true, Ordering::SeqCst);
        drop(open);
    });
    assert_eq!(dropped.recv(), Ok(true));
}

/// A caller that gets `HasRun` may rely on what the registration has given back (C8).
#[test]
fn a_last_callback_runs_until_its_process_is_disarmed() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    let pid = processes.spawn();
    let handle = watcher.on_exit(pid, |_| {}).unwrap();
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    *watcher.source().gate.lock().unwrap() = Some((reached, gate));
    exit(&processes, pid);
    at_gate.recv().unwrap();
    let cancelled = watcher.watcher.shared.dispatch().cancel(handle);
    assert!(matches!(cancelled, Cancelled::Running));
    drop(open);
    assert_eq!(watcher.unregister_callback(handle), Unregistered::HasRun);
    assert_eq!(processes.registration_count(), 0);
}
