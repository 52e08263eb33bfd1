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
