//! A watcher that a panic of its source has ended.

use super::*;

/// Asserts what every call of a watcher that has ended returns, and that the watcher can be
/// dropped. `dropped` gets a message when the callback of a live process is dropped.
fn assert_ended(watcher: ThreadedWatcher<Failing>, live: Pid, dropped: &mpsc::Receiver<()>) {
    // The callback was dropped without sending a message.
    assert!(
        dropped
            .recv_timeout(LONG)
            .is_err_and(|error| error == RecvTimeoutError::Disconnected)
    );
    let stopped = |answer: Result<(), WatchError>| {
        assert!(matches!(answer, Err(WatchError::Stopped)), "{answer:?}");
    };
    stopped(watcher.register_pid(live));
    stopped(watcher.register_callback(live, Box::new(|_| {})).map(drop));
    stopped(watcher.watch(live, Box::new(|_| {})).map(drop));
    stopped(watcher.try_wait(live).map(drop));
    stopped(watcher.wait_timeout(live, LONG).map(drop));
    stopped(watcher.exited(live).map(drop));
    // S9: the source is not called again.
    for call in ["arm", "disarm", "pid_of", "add_stats", "wake"] {
        watcher.source().panic_in(call);
    }
    // A source would answer first that this is no pidfd.
    let stdin = std::io::stdin();
    stopped(watcher.register_pidfd(stdin.as_fd()).map(drop));
    let never = Box::new(|_| {});
    stopped(watcher.watch_pidfd(stdin.as_fd(), never).map(drop));
    stopped(watcher.pidfd(live).map(drop));
    stopped(watcher.send_signal(live, 0));
    assert_eq!(watcher.stats().unwrap().watched, 0);
    watcher.unregister_pid(live);
    let shared = Arc::downgrade(&watcher.watcher.shared);
    drop(watcher);
    assert_eq!(shared.strong_count(), 0);
}

/// The source may be as broken on the caller's thread as it was on the watcher's.
#[test]
fn the_drop_of_a_watcher_that_a_panic_has_ended_calls_its_source_no_more() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    let (live, ending) = (processes.spawn(), processes.spawn());
    let (sender, receiver) = mpsc::channel::<()>();
    watcher
        .on_exit(live, move |_| sender.send(()).unwrap())
        .unwrap();
    watcher.register_pid(ending).unwrap();
    for call in ["wait", "wake"] {
        watcher.source().panic_in(call);
    }
    exit(&processes, ending);
    assert!(receiver.recv_timeout(LONG).is_err());
    drop(watcher);
}

#[test]
fn a_source_that_panics_ends_its_watcher() {
    for call in ["wait", "disarm"] {
        let processes = SimulatedProcesses::new();
        let watcher = watcher(&processes);
        let (live, ending) = (processes.spawn(), processes.spawn());
        let (sender, receiver) = mpsc::channel::<()>();
        let never = move |_| sender.send(()).unwrap();
        let handle = watcher.on_exit(live, never).unwrap();
        let mut exited = watcher.exited(live).unwrap();
        let its_handle = watcher.on_exit(ending, |_| {}).unwrap();
        watcher.source().panic_in(call);
        // This ends the wait that is under way. The only callback leads to a disarming.
        exit(&processes, ending);
        assert!(receiver.recv_timeout(LONG).is_err());
        let mut context = Context::from_waker(Waker::noop());
        let outcome = std::iter::repeat_with(|| Pin::new(&mut exited).poll(&mut context))
            .find(Poll::is_ready);
        assert_eq!(outcome, Some(Poll::Ready(None)));
        // The watcher does not claim that the callback ran.
        for handle in [handle, its_handle] {
            assert_eq!(
                watcher.unregister_callback(handle),
                Unregistered::NotPending
            );
        }
        drop(exited);
        assert_ended(watcher, live, &receiver);
    }
}

#[test]
fn a_source_that_panics_at_its_start_ends_its_watcher() {
    let processes = SimulatedProcesses::new();
    let source = Failing::new(&processes);
    source.panic_in("start");
    let watcher = ThreadedWatcher::start(source, ()).unwrap();
    let live = processes.spawn();
    let (sender, receiver) = mpsc::channel::<()>();
    // The callback is refused, or accepted and then dropped.
    let _ = watcher.on_exit(live, move |_| sender.send(()).unwrap());
    assert_ended(watcher, live, &receiver);
}

#[test]
fn a_canceller_waits_for_no_thread_that_a_panic_has_ended() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    let pid = processes.spawn();
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let callback = move |_| {
        reached.send(()).unwrap();
        let _ = gate.recv();
    };
    let handle = watcher.on_exit(pid, callback).unwrap();
    watcher.source().panic_in("disarm");
    exit(&processes, pid);
    at_gate.recv().unwrap();
    std::thread::scope(|scope| {
        let cancelling = scope.spawn(|| watcher.unregister_callback(handle));
        drop(open);
        let answer = cancelling.join().unwrap();
        // The callback has run, if the call came before the watcher's end.
        assert!(matches!(
            answer,
            Unregistered::HasRun | Unregistered::NotPending
        ));
    });
}

#[test]
fn a_panic_on_a_callers_thread_is_the_callers_and_leaves_no_place_taken() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    let pid = processes.spawn();
    let panics = |call: &dyn Fn()| catch_unwind(AssertUnwindSafe(call)).is_err();
    watcher.source().panic_in("arm");
    assert!(panics(&|| drop(watcher.register_pid(pid))));
    assert!(panics(&|| drop(watcher.on_exit(pid, |_| {}))));
    assert!(panics(&|| drop(watcher.try_wait(pid))));
    watcher.source().panics.lock().unwrap().clear();
    watcher.register_pid(pid).unwrap();
    watcher.source().panic_in("disarm");
    assert!(panics(&|| watcher.unregister_pid(pid)));
    let handle = watcher.on_exit(pid, |_| {}).unwrap();
    assert!(panics(&|| {
        watcher.unregister_callback(handle);
    }));
    watcher.source().panics.lock().unwrap().clear();
    // One slot has served all of them, and the watcher goes on.
    let token = watcher.watcher.shared.dispatch().reserve(pid);
    assert_eq!(token.index(), 0);
    watcher.watcher.shared.dispatch().release(token);
    exit(&processes, pid);
    assert!(watcher.wait_timeout(pid, LONG).unwrap().is_some());
}
