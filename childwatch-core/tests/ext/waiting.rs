//! To wait for an exit: as a future, and with a timeout.

#![expect(unsafe_code, reason = "a waker")]

use std::future::Future;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::ExitStatus;
use std::ptr;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;
use std::time::Duration;

use childwatch_core::{
    Exit, ExitCallback, Pid, PidWatcher, PidWatcherExt, SimulatedProcesses, SimulatedWatcher,
    Unregistered, WatchError, WatchHandle,
};

use crate::common::{LONG, block_on, code, stage};

#[test]
fn a_future_resolves_at_the_exit_on_whichever_thread_it_is_polled() {
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    let mut exited = watcher.exited(pid).unwrap();
    // Polled once here, and then driven by another thread. The waker of the last poll counts.
    let mut context = Context::from_waker(Waker::noop());
    assert!(pin!(&mut exited).poll(&mut context).is_pending());
    let driving = thread::spawn(move || block_on(exited));
    processes.exit(pid, code(5));
    let exit = driving.join().unwrap().unwrap();
    assert_eq!(exit.status(), Some(code(5)));
}

#[test]
fn a_future_of_a_zombie_resolves() {
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    processes.exit(pid, code(0));
    assert!(block_on(watcher.exited(pid).unwrap()).is_some());
}

#[test]
fn a_future_resolves_to_none_when_the_watcher_goes_first() {
    let (processes, watcher) = stage();
    let exited = watcher.exited(processes.spawn()).unwrap();
    let driving = thread::spawn(|| block_on(exited));
    drop(watcher);
    assert_eq!(driving.join().unwrap(), None);
}

#[test]
fn dropping_a_future_gives_back_its_registration() {
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    let dynamic: &dyn PidWatcher = &watcher;
    for _ in 0..100 {
        drop(dynamic.exited(pid).unwrap());
    }
    assert_eq!(processes.registration_count(), 0);
    // Also after the watcher has been dropped.
    let exited = dynamic.exited(pid).unwrap();
    drop(watcher);
    drop(exited);
}

#[test]
fn a_future_may_be_dropped_by_its_own_waker() {
    struct DropsFuture(mpsc::Sender<()>);
    impl Wake for DropsFuture {
        fn wake(self: Arc<Self>) {
            self.0.send(()).unwrap();
        }
    }
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    let mut exited = watcher.exited(pid).unwrap();
    let (sender, receiver) = mpsc::channel();
    let waker = Waker::from(Arc::new(DropsFuture(sender)));
    assert!(
        pin!(&mut exited)
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    processes.exit(pid, code(0));
    receiver.recv_timeout(LONG).unwrap();
    drop(exited);
    assert!(watcher.wait_timeout(pid, LONG).unwrap().is_some());
}

/// The state for which the clone of the waker waits.
struct Cloned {
    processes: SimulatedProcesses,
    pid: Pid,
    receiver: mpsc::Receiver<()>,
}

/// A waker whose clone waits until the exit has been reported. It does nothing else.
///
/// # Safety
///
/// The value outlives the waker, and each clone of it.
unsafe fn waits_when_it_is_cloned(cloned: &Cloned) -> Waker {
    fn nothing(_: *const ()) {}
    unsafe fn clone(data: *const ()) -> RawWaker {
        // SAFETY: the pointer is that of the value, which still lives.
        let cloned = unsafe { &*data.cast::<Cloned>() };
        cloned.processes.exit(cloned.pid, code(6));
        cloned.receiver.recv_timeout(LONG).unwrap();
        RawWaker::new(data, &VTABLE)
    }
    static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, nothing, nothing, nothing);
    let data = ptr::from_ref(cloned).cast();
    // SAFETY: the functions keep the contract of `RawWaker`: they neither own nor free.
    unsafe { Waker::from_raw(RawWaker::new(data, &VTABLE)) }
}

/// Cloning a waker runs code of the executor, which may take any time. The watcher's thread must not
/// wait for it.
#[test]
fn an_exit_is_told_while_a_poll_clones_its_waker() {
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    let mut exited = watcher.exited(pid).unwrap();
    // This callback runs after that of the future.
    let (sender, receiver) = mpsc::channel();
    watcher
        .on_exit(pid, move |_| sender.send(()).unwrap())
        .unwrap();
    let cloned = Cloned {
        processes,
        pid,
        receiver,
    };
    // SAFETY: the future is over, and has no waker, before the value is dropped.
    let waker = unsafe { waits_when_it_is_cloned(&cloned) };
    let polled = pin!(&mut exited).poll(&mut Context::from_waker(&waker));
    let exit = match polled {
        Poll::Ready(exit) => exit.unwrap(),
        Poll::Pending => panic!("the exit has been told"),
    };
    assert_eq!(exit.status(), Some(code(6)));
}

/// A waker is the executor's code. It may wait for a lock that a thread holds while it drops
/// tasks.
#[test]
fn a_future_that_is_over_is_dropped_while_its_waker_runs() {
    struct Waits(mpsc::Sender<()>, Mutex<mpsc::Receiver<()>>);
    impl Wake for Waits {
        fn wake(self: Arc<Self>) {
            self.0.send(()).unwrap();
            let _ = self.1.lock().unwrap().recv();
        }
    }
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    let mut exited = watcher.exited(pid).unwrap();
    let (begin, begun) = mpsc::channel();
    let (release, lock) = mpsc::channel();
    let waker = Waker::from(Arc::new(Waits(begin, Mutex::new(lock))));
    let polled = pin!(&mut exited).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    processes.exit(pid, code(0));
    begun.recv().unwrap();
    let (sender, receiver) = mpsc::channel();
    let dropping = thread::spawn(move || {
        drop(exited);
        sender.send(()).unwrap();
    });
    let is_dropped = receiver.recv_timeout(LONG);
    drop(release);
    dropping.join().unwrap();
    assert_eq!(is_dropped, Ok(()));
}

#[test]
fn wait_timeout_tells_an_exit_from_none() {
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    let none = watcher.wait_timeout(pid, Duration::from_millis(1)).unwrap();
    assert_eq!(none, None);
    assert_eq!(
        processes.registration_count(),
        0,
        "a wait in vain leaves nothing"
    );
    processes.exit(pid, code(8));
    let exit = watcher.wait_timeout(pid, Duration::MAX).unwrap().unwrap();
    assert_eq!(exit.to_string(), format!("process {pid}: exit status: 8"));
    let unknown = Pid::try_from(5).unwrap();
    assert!(matches!(
        watcher.wait_timeout(unknown, LONG),
        Err(WatchError::NoSuchProcess { .. })
    ));
}

/// A watcher whose process exits between two steps of a `wait_timeout`.
#[derive(Debug)]
struct ExitsMeanwhile {
    watcher: SimulatedWatcher,
    processes: SimulatedProcesses,
    pid: Pid,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The callbacks run in this step too, and the process is reaped.
    BeforeLooking,
    /// The callbacks run in this step too.
    BeforeUnregistering,
    /// The process is reaped in this step too.
    AfterUnregistering,
}

impl ExitsMeanwhile {
    fn exits_and_is_told(&self) {
        let (sender, receiver) = mpsc::channel();
        let last = move |_| sender.send(()).unwrap();
        self.watcher.on_exit(self.pid, last).unwrap();
        self.processes.exit(self.pid, code(8));
        receiver.recv_timeout(LONG).unwrap();
    }
}

impl PidWatcher for ExitsMeanwhile {
    fn register_pid(&self, pid: Pid) -> Result<(), WatchError> {
        self.watcher.register_pid(pid)
    }

    fn unregister_pid(&self, pid: Pid) {
        self.watcher.unregister_pid(pid);
    }

    fn register_callback(
        &self,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        self.watcher.register_callback(pid, callback)
    }

    fn unregister_callback(&self, handle: WatchHandle) -> Unregistered {
        if self.step == Step::BeforeUnregistering {
            self.exits_and_is_told();
        }
        let unregistered = self.watcher.unregister_callback(handle);
        if self.step == Step::AfterUnregistering {
            self.processes.exit(self.pid, code(8));
            self.processes.reap(self.pid);
        }
        unregistered
    }

    fn watch(&self, pid: Pid, callback: ExitCallback) -> Result<WatchHandle, WatchError> {
        self.watcher.watch(pid, callback)
    }

    fn try_wait(&self, pid: Pid) -> Result<Option<Exit>, WatchError> {
        if self.step == Step::BeforeLooking {
            self.exits_and_is_told();
            // The last callback's registration goes when it has returned.
            while self.processes.registration_count() != 0 {
                thread::yield_now();
            }
            self.processes.reap(self.pid);
        }
        self.watcher.try_wait(pid)
    }
}

/// The answer is that of the registration. It means no other process, and the exit that was
/// reported to the callback is not lost.
#[test]
fn an_exit_at_the_end_of_a_wait_is_told_or_comes_after_it() {
    for (step, expected) in [
        (Step::BeforeLooking, Some(code(8))),
        (Step::BeforeUnregistering, Some(code(8))),
        (Step::AfterUnregistering, None),
    ] {
        let (processes, watcher) = stage();
        let pid = processes.spawn();
        let watcher = ExitsMeanwhile {
            watcher,
            processes,
            pid,
            step,
        };
        let waited = watcher.wait_timeout(pid, Duration::ZERO).unwrap();
        assert_eq!(waited.and_then(Exit::status), expected, "{step:?}");
    }
}

/// The call runs on the thread that would report the exit.
#[test]
fn a_callback_may_wait_for_an_exit_that_has_happened() {
    let processes = SimulatedProcesses::new();
    let watcher = Arc::new(SimulatedWatcher::new(&processes).unwrap());
    let [first, dead, live] = [(); 3].map(|()| processes.spawn());
    let (sender, receiver) = mpsc::channel();
    let shared = Arc::clone(&watcher);
    let callback = move |_| {
        let found = [dead, live].map(|pid| shared.wait_timeout(pid, Duration::ZERO).unwrap());
        sender.send(found).unwrap();
    };
    watcher.on_exit(first, callback).unwrap();
    assert!(processes.exit(dead, ExitStatus::from_raw(3 << 8)));
    assert!(processes.exit(first, ExitStatus::from_raw(0)));
    let [dead_found, live_found] = receiver.recv().unwrap();
    assert_eq!(
        dead_found.map(|exit| exit.status()),
        Some(Some(ExitStatus::from_raw(3 << 8)))
    );
    assert_eq!(live_found, None);
}
