//! Cancellations by the watcher and by its canceller, and what the drop leaves to them.

use super::*;

/// C9, by the watcher and by its canceller.
#[test]
fn a_callback_has_run_when_it_has_returned_and_its_captures_are_gone() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    let canceller = watcher.canceller().unwrap();
    let cancel: [&(dyn Fn(WatchHandle) -> Unregistered + Sync); 2] =
        [&|handle| watcher.unregister_callback(handle), &|handle| {
            canceller.unregister_callback(handle)
        }];
    for cancel in cancel {
        let pid = processes.spawn();
        let captured = Arc::new(());
        let (reached, at_gate) = mpsc::channel();
        let (open, gate) = mpsc::channel::<()>();
        let callback = {
            let captured = Arc::clone(&captured);
            move |_| {
                reached.send(()).unwrap();
                let _ = gate.recv();
                drop(captured);
            }
        };
        let handle = watcher.on_exit(pid, callback).unwrap();
        exit(&processes, pid);
        at_gate.recv().unwrap();
        std::thread::scope(|scope| {
            let cancelling = scope.spawn(|| {
                let answer = cancel(handle);
                (answer, Arc::strong_count(&captured))
            });
            while watcher.watcher.shared.dispatch().waiting() == 0 && !cancelling.is_finished() {
                std::thread::yield_now();
            }
            drop(open);
            let answer = cancelling.join().unwrap();
            assert_eq!(answer, (Unregistered::HasRun, 1));
        });
    }
}

#[test]
fn what_the_drop_has_removed_is_not_pending() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    let handle = watcher.on_exit(processes.spawn(), |_| {}).unwrap();
    let canceller = watcher.canceller().unwrap();
    drop(watcher);
    let answer = canceller.unregister_callback(handle);
    assert_eq!(answer, Unregistered::NotPending);
}

/// A capture of a cancelled callback may drop the watcher. The watcher waits for the disarming, and
/// not for the drop of the capture.
#[test]
fn a_cancelled_callbacks_captures_may_drop_the_watcher() {
    let processes = SimulatedProcesses::new();
    let watcher = Arc::new(watcher(&processes));
    let shared = Arc::downgrade(&watcher.watcher.shared);
    let pid = processes.spawn();
    let captured = Arc::clone(&watcher);
    let handle = watcher.on_exit(pid, move |_| drop(captured)).unwrap();
    let canceller = watcher.canceller().unwrap();
    drop(watcher);
    let answer = canceller.unregister_callback(handle);
    assert_eq!(answer, Unregistered::WillNotRun);
    assert_eq!(shared.strong_count(), 0);
}

/// C9: each disarming of others wakes the canceller, which goes on waiting.
#[test]
fn a_canceller_waits_while_others_cancel() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes);
    let [ending, live] = [(); 2].map(|()| processes.spawn());
    let is_over = Arc::new(AtomicBool::new(false));
    let (reached, at_gate) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let over = Arc::clone(&is_over);
    let callback = move |_| {
        reached.send(()).unwrap();
        let _ = gate.recv();
        over.store(true, Ordering::SeqCst);
    };
    let handle = watcher.on_exit(ending, callback).unwrap();
    exit(&processes, ending);
    at_gate.recv().unwrap();
    std::thread::scope(|scope| {
        let cancelling = scope.spawn(|| {
            let answer = watcher.unregister_callback(handle);
            (answer, is_over.load(Ordering::SeqCst))
        });
        // Enough for the canceller to run in between.
        for _ in 0..1_000 {
            let never = watcher.on_exit(live, |_| {}).unwrap();
            let answer = watcher.unregister_callback(never);
            assert_eq!(answer, Unregistered::WillNotRun);
            std::thread::yield_now();
        }
        drop(open);
        assert_eq!(cancelling.join().unwrap(), (Unregistered::HasRun, true));
    });
}
