//! The engine over a source whose calls fail.

use std::future::Future;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use std::io;
use std::sync::Arc;

use super::*;
use crate::contract::callback::{Unregistered, WatchHandle};
use crate::contract::error::WatchError;
use crate::contract::pid::Pid;
use crate::contract::stats::WatcherStats;
use crate::contract::watcher::PidWatcher;
use crate::engine::registry::Cancelled;
use crate::source::report::Report;
use crate::source::token::Token;
use crate::wait::ext::PidWatcherExt;
use crate::watchers::simulated::SimulatedProcesses;
use crate::watchers::simulated::SimulatedSource;

pub(super) const LONG: Duration = Duration::from_secs(60);

/// A source whose calls can be made to fail a number of times.
#[derive(Debug)]
pub(super) struct Failing {
    source: SimulatedSource,
    interruptions: AtomicUsize,
    waits: AtomicUsize,
    /// So many waits add their reports and then fail.
    waits_with_reports: AtomicUsize,
    /// So many waits end at once. Every second one fails.
    alternations: AtomicUsize,
    pub(super) wakes: AtomicUsize,
    /// The calls that panic.
    panics: Mutex<Vec<&'static str>>,
    /// Where each disarming announces itself, and waits.
    gate: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
}

impl Failing {
    fn new(processes: &SimulatedProcesses) -> Self {
        Failing {
            source: SimulatedSource::new(processes),
            interruptions: AtomicUsize::new(0),
            waits: AtomicUsize::new(0),
            waits_with_reports: AtomicUsize::new(0),
            alternations: AtomicUsize::new(0),
            wakes: AtomicUsize::new(0),
            panics: Mutex::default(),
            gate: Mutex::default(),
        }
    }

    /// Makes a call panic from now on.
    pub(super) fn panic_in(&self, call: &'static str) {
        self.panics.lock().unwrap().push(call);
    }

    fn panic_if_asked(&self, call: &'static str) {
        let is_asked = self.panics.lock().unwrap().contains(&call);
        if is_asked {
            // Without the hook's message.
            resume_unwind(Box::new(call));
        }
    }

    fn fails(times: &AtomicUsize) -> bool {
        Failing::count_down(times).is_some()
    }

    /// Returns how many were left, if any.
    fn count_down(times: &AtomicUsize) -> Option<usize> {
        let order = Ordering::SeqCst;
        let left = times.fetch_update(order, order, |left| left.checked_sub(1));
        left.ok()
    }
}

impl ExitSource for Failing {
    type Waiter = ();

    const THREAD_NAME: &'static str = "failing";

    fn start(&self, _waiter: &mut ()) {
        self.panic_if_asked("start");
    }

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        self.panic_if_asked("arm");
        self.source.arm(pid, token)
    }

    fn disarm(&self, token: Token) {
        self.panic_if_asked("disarm");
        if let Some((reached, gate)) = &*self.gate.lock().unwrap() {
            reached.send(()).unwrap();
            let _ = gate.recv();
        }
        self.source.disarm(token);
    }

    fn is_reaped(&self, token: Token) -> bool {
        self.source.is_reaped(token)
    }

    fn look(&self, token: Token) -> Option<Report> {
        self.source.look(token)
    }

    fn add_stats(&self, _: &mut WatcherStats) {
        self.panic_if_asked("add_stats");
    }

    fn wait(&self, waiter: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        self.panic_if_asked("wait");
        if Failing::fails(&self.interruptions) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if Failing::fails(&self.waits) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        match Failing::count_down(&self.alternations) {
            Some(left) if left % 2 == 0 => return Err(io::ErrorKind::OutOfMemory.into()),
            Some(_) => return Ok(()),
            None => {}
        }
        self.source.wait(waiter, reports)?;
        if !reports.is_empty() && Failing::fails(&self.waits_with_reports) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(())
    }

    fn wake(&self) -> io::Result<()> {
        self.panic_if_asked("wake");
        if Failing::fails(&self.wakes) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.source.wake()
    }
}

pub(super) fn watcher(processes: &SimulatedProcesses) -> ThreadedWatcher<Failing> {
    ThreadedWatcher::start(Failing::new(processes), ()).unwrap()
}

pub(super) fn exit(processes: &SimulatedProcesses, pid: Pid) {
    assert!(processes.exit(pid, ExitStatus::from_raw(0)));
}

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
    for call in ["arm", "disarm", "add_stats", "wake"] {
        watcher.source().panic_in(call);
    }
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
