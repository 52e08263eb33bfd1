//! The engine drops values of the user's in many places. These tests let their `Drop` panic.
//!
//! On a caller's thread the panic goes on to the caller. On the watcher's thread, and in the
//! watcher's `Drop`, it goes no further. In both cases the token has been disarmed, its slot is
//! free, no lock is poisoned, and the watcher goes on.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Wake, Waker};

use super::failing::{Failing, LONG, exit, watcher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::*;
use crate::contract::callback::ExitCallback;
use crate::contract::exit::Exit;
use crate::contract::pid::Pid;
use crate::contract::watcher::PidWatcher;
use crate::engine::user_code::drop_quietly;
use crate::wait::ext::PidWatcherExt;
use crate::watchers::simulated::SimulatedProcesses;

/// More than the first capacity of any table.
const TIMES: usize = 100;

/// Panics when dropped, without the hook's message.
struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        resume_unwind(Box::new("the drop of a captured value"));
    }
}

fn callback() -> ExitCallback {
    let captured = PanicsOnDrop;
    Box::new(move |_| drop(captured))
}

fn panics<T>(call: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_err()
}

/// A watcher and its processes. One is alive, and one has exited.
struct Stage {
    processes: SimulatedProcesses,
    watcher: ThreadedWatcher<Failing>,
    live: Pid,
    ended: Pid,
}

impl Stage {
    fn new() -> Self {
        let processes = SimulatedProcesses::new();
        let watcher = watcher(&processes);
        let (live, ended) = (processes.spawn(), processes.spawn());
        exit(&processes, ended);
        Stage {
            processes,
            watcher,
            live,
            ended,
        }
    }

    /// Checks that the call panics each time, and leaves nothing.
    #[track_caller]
    fn assert_leaves_nothing(&self, call: impl Fn()) {
        for _ in 0..TIMES {
            assert!(panics(&call), "the panic is the caller's");
        }
        self.assert_empty();
        let exit = self.watcher.wait_timeout(self.ended, LONG).unwrap();
        assert_eq!(exit.map(Exit::pid), Some(self.ended));
        self.assert_empty();
    }

    #[track_caller]
    fn assert_empty(&self) {
        until(|| self.processes.registration_count() == 0);
        let dispatch = self.watcher.watcher.shared.dispatch();
        let token = dispatch.reserve(self.live);
        dispatch.release(token);
        // A slot may be released a moment after the disarming, when the next one is taken.
        assert!(token.index() < 4, "places that nobody has given back");
    }
}

#[track_caller]
fn until(condition: impl Fn() -> bool) {
    let end = std::time::Instant::now() + LONG;
    while !condition() {
        assert!(std::time::Instant::now() < end, "in vain");
        std::thread::yield_now();
    }
}

#[test]
fn a_cancelled_callback_leaves_nothing_though_its_captures_panic() {
    let stage = Stage::new();
    let Stage { watcher, live, .. } = &stage;
    stage.assert_leaves_nothing(|| {
        let handle = watcher.watch(*live, callback()).unwrap();
        watcher.unregister_callback(handle);
    });
    let canceller = watcher.canceller().unwrap();
    stage.assert_leaves_nothing(|| {
        let handle = watcher.watch(*live, callback()).unwrap();
        canceller.unregister_callback(handle);
    });
    stage.assert_leaves_nothing(|| drop(watcher.watch_guard(*live, callback()).unwrap()));
    stage.assert_leaves_nothing(|| {
        watcher.watch_guard(*live, callback()).unwrap().unregister();
    });
    // The registration is held, and ends with `unregister_pid`.
    stage.assert_leaves_nothing(|| {
        watcher.register_pid(*live).unwrap();
        let handle = watcher.register_callback(*live, callback()).unwrap();
        watcher.unregister_pid(*live);
        watcher.unregister_callback(handle);
    });
}

#[test]
fn a_refused_callback_leaves_nothing_though_its_captures_panic() {
    let stage = Stage::new();
    let Stage { watcher, live, .. } = &stage;
    let nobody = Pid::try_from(i32::MAX).unwrap();
    stage.assert_leaves_nothing(|| drop(watcher.register_callback(*live, callback())));
    stage.assert_leaves_nothing(|| drop(watcher.watch(nobody, callback())));
    stage.assert_leaves_nothing(|| drop(watcher.watch_guard(nobody, callback())));
}

#[test]
fn a_callback_that_cannot_be_announced_leaves_nothing_though_its_captures_panic() {
    let stage = Stage::new();
    let Stage { watcher, ended, .. } = &stage;
    watcher.register_pid(*ended).unwrap();
    assert!(watcher.wait_timeout(*ended, LONG).unwrap().is_some());
    // If a callback is added while the thread is about to look, no wake is needed, and the
    // callback runs.
    until(|| {
        watcher.source().wakes.store(1, Ordering::SeqCst);
        panics(|| drop(watcher.watch(*ended, callback())))
    });
    watcher.source().wakes.store(0, Ordering::SeqCst);
    assert!(watcher.wait_timeout(*ended, LONG).unwrap().is_some());
    watcher.unregister_pid(*ended);
    stage.assert_empty();
}

#[test]
fn a_stopped_watcher_refuses_callbacks_whose_captures_panic() {
    let stage = Stage::new();
    let Stage { watcher, live, .. } = &stage;
    let (sender, receiver) = mpsc::channel::<()>();
    for _ in 0..3 {
        // The watcher's thread drops it, and the watcher's `Drop` waits for that thread.
        watcher.watch(*live, callback()).unwrap();
    }
    watcher
        .on_exit(*live, move |_| sender.send(()).unwrap())
        .unwrap();
    for _ in 0..3 {
        watcher.watch(*live, callback()).unwrap();
    }
    watcher.source().panic_in("wait");
    watcher.on_exit(stage.ended, |_| {}).map(drop).unwrap_or(());
    assert!(receiver.recv_timeout(LONG).is_err(), "dropped unrun");
    for _ in 0..TIMES {
        assert!(panics(|| drop(watcher.watch(*live, callback()))));
        assert!(panics(|| drop(
            watcher.register_callback(*live, callback())
        )));
    }
    let Stage {
        watcher, processes, ..
    } = stage;
    let shared = Arc::downgrade(&watcher.watcher.shared);
    drop(watcher);
    assert_eq!(shared.strong_count(), 0);
    assert_eq!(processes.registration_count(), 0);
}

#[test]
fn a_callback_that_has_run_leaves_nothing_though_its_captures_panic() {
    let stage = Stage::new();
    for _ in 0..TIMES {
        stage.watcher.watch(stage.ended, callback()).unwrap();
        stage
            .watcher
            .on_exit(stage.ended, |_| resume_unwind(Box::new(PanicsOnDrop)))
            .unwrap();
    }
    let exit = stage.watcher.wait_timeout(stage.ended, LONG).unwrap();
    assert_eq!(exit.map(Exit::pid), Some(stage.ended));
    stage.assert_empty();
}

#[test]
fn a_drop_leaves_nothing_though_captures_panic() {
    let Stage {
        watcher,
        processes,
        live,
        ..
    } = Stage::new();
    let kept = Arc::new(());
    for _ in 0..TIMES {
        watcher.watch(live, callback()).unwrap();
        let kept = Arc::clone(&kept);
        watcher.on_exit(live, move |_| drop(kept)).unwrap();
    }
    let shared = Arc::downgrade(&watcher.watcher.shared);
    assert!(!panics(|| drop(watcher)), "a panic in the watcher's drop");
    assert_eq!(Arc::strong_count(&kept), 1, "captures that are not dropped");
    assert_eq!(shared.strong_count(), 0);
    assert_eq!(processes.registration_count(), 0);
}

/// A task that panics when it is woken or dropped.
struct Task(PanicsOnDrop);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let Task(PanicsOnDrop) = &*self;
    }
}

/// Polls once. The future then has the last owner of the waker.
fn polled(exited: &mut crate::wait::exited::Exited) {
    let waker = Waker::from(Arc::new(Task(PanicsOnDrop)));
    let outcome = Pin::new(exited).poll(&mut Context::from_waker(&waker));
    assert!(outcome.is_pending());
    assert!(!panics(move || drop(waker)), "the future has a share");
}

#[test]
fn a_future_leaves_nothing_though_its_waker_panics() {
    let stage = Stage::new();
    let Stage { watcher, live, .. } = &stage;
    stage.assert_leaves_nothing(|| {
        let mut exited = watcher.exited(*live).unwrap();
        polled(&mut exited);
        drop(exited);
    });
    // The former waker is dropped by a poll.
    stage.assert_leaves_nothing(|| {
        let mut exited = watcher.exited(*live).unwrap();
        polled(&mut exited);
        let mut context = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut exited).poll(&mut context);
    });
}

#[test]
fn a_wake_that_panics_harms_neither_the_watcher_nor_its_drop() {
    let stage = Stage::new();
    let Stage {
        watcher, processes, ..
    } = &stage;
    for _ in 0..TIMES {
        let pid = processes.spawn();
        let mut exited = watcher.exited(pid).unwrap();
        polled(&mut exited);
        exit(processes, pid);
        assert!(watcher.wait_timeout(pid, LONG).unwrap().is_some());
    }
    stage.assert_empty();
    let mut exited = watcher.exited(stage.live).unwrap();
    polled(&mut exited);
    let Stage { watcher, .. } = stage;
    assert!(!panics(|| drop(watcher)), "a panic in the watcher's drop");
    let mut context = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut exited).poll(&mut context).is_ready());
}

/// Counts its drops. The first `left` drops panic with another value of this type.
struct Payload {
    drops: Arc<AtomicUsize>,
    left: usize,
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
        if let Some(left) = self.left.checked_sub(1) {
            let drops = Arc::clone(&self.drops);
            resume_unwind(Box::new(Payload { drops, left }));
        }
    }
}

/// Panics with a payload when dropped.
struct PanicsWith(Option<Payload>);

impl Drop for PanicsWith {
    fn drop(&mut self) {
        if let Some(payload) = self.0.take() {
            resume_unwind(Box::new(payload));
        }
    }
}

#[test]
fn each_payload_of_a_panic_is_dropped_once() {
    for left in [0, 1, 3] {
        let stage = Stage::new();
        let Stage {
            watcher,
            live,
            ended,
            ..
        } = stage;
        let drops = Arc::new(AtomicUsize::new(0));
        let payload = || Payload {
            drops: Arc::clone(&drops),
            left,
        };
        let panics_with = || PanicsWith(Some(payload()));
        // The panic of a callback, and that of its capture.
        let own = payload();
        watcher
            .on_exit(ended, move |_| resume_unwind(Box::new(own)))
            .unwrap();
        let captured = panics_with();
        watcher.on_exit(ended, move |_| drop(captured)).unwrap();
        assert!(watcher.wait_timeout(ended, LONG).unwrap().is_some());
        assert_eq!(drops.load(Ordering::SeqCst), 2 * (left + 1));
        // The watcher's drop.
        for _ in 0..2 {
            let captured = panics_with();
            watcher.on_exit(live, move |_| drop(captured)).unwrap();
        }
        drop(watcher);
        assert_eq!(drops.load(Ordering::SeqCst), 4 * (left + 1));
        assert_eq!(Arc::strong_count(&drops), 1, "a payload is left behind");
    }
}

/// Payloads whose drop panics do not keep the thread for ever.
#[test]
fn a_payload_that_always_makes_another_is_given_up() {
    let drops = Arc::new(AtomicUsize::new(0));
    let left = usize::MAX;
    let payload = Payload {
        drops: Arc::clone(&drops),
        left,
    };
    drop_quietly(payload);
    assert!(drops.load(Ordering::SeqCst) > 1);
}
