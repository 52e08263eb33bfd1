//! The conveniences over any watcher, on simulated processes.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not their helpers"
)]
#![expect(
    unsafe_code,
    reason = "`fork_watchable`, copies and their end, signals, and a waker"
)]

mod common;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;
use std::fs;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::process::{Command, ExitStatus};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;
use std::time::Duration;

use childwatch_core::source::{ExitSource, PollableSource, Report, ThreadedWatcher, Token};

use childwatch_core::{
    DrivenWatcher, Exit, ExitCallback, Pid, PidWatcher, PidWatcherExt, SimulatedProcesses,
    SimulatedWatcher, Unregistered, WatchError, WatchHandle,
};
use common::{LONG, block_on, code, stage};
use rustix::event::{EventfdFlags, eventfd};

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

#[test]
fn a_guard_unregisters_unless_it_is_let_go() {
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    let (sender, receiver) = mpsc::channel();
    let sends = |what: &'static str| {
        let sender = sender.clone();
        move |_| sender.send(what).unwrap()
    };
    drop(watcher.watch_guard(pid, sends("dropped")).unwrap());
    let guard = watcher.watch_guard(pid, sends("unregistered")).unwrap();
    assert_eq!(guard.unregister(), Unregistered::WillNotRun);
    let kept = watcher.watch_guard(pid, sends("kept")).unwrap();
    let handle = kept.handle();
    assert_eq!(kept.into_handle(), handle);
    drop(sender);

    processes.exit(pid, code(0));
    assert_eq!(receiver.recv_timeout(LONG), Ok("kept"));
    assert!(receiver.recv_timeout(LONG).is_err(), "and nothing else");
}

/// The captures of the callback may belong to the work that the panic has ended.
#[test]
fn a_guard_unregisters_when_a_panic_drops_it() {
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    let (sender, receiver) = mpsc::channel();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = watcher.watch_guard(pid, move |_| sender.send(()).unwrap());
        // Without the hook's message.
        resume_unwind(Box::new("the work has failed"));
    }));
    assert!(panicked.is_err());
    assert_eq!(processes.registration_count(), 0);
    processes.exit(pid, code(0));
    assert_eq!(receiver.recv(), Err(mpsc::RecvError));
}

#[test]
fn a_command_that_cannot_be_spawned_is_the_commands_error() {
    let (_, watcher) = stage();
    let refused = watcher.spawn_watchable(&mut Command::new("/nonexistent/program"));
    assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::ENOENT));
}

#[test]
fn a_spawned_child_that_is_refused_is_killed_and_reaped() {
    // It would wait for its input for ever, because this process holds the other end.
    let (input, _end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let refused = Registers(refuses_slowly).spawn_watchable(Command::new("cat").stdin(input));
    let refused = refused.unwrap_err();
    let inner = refused.get_ref().and_then(|inner| inner.downcast_ref());
    let Some(&WatchError::NotAChild { pid, .. }) = inner else {
        panic!("{refused:?}");
    };
    assert_reaped(pid);
}

#[test]
fn a_spawned_child_that_is_said_to_be_gone_is_not_signalled() {
    // A simulated watcher knows no real process.
    let (_, watcher) = stage();
    let (input, end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let refused = watcher.spawn_watchable(Command::new("cat").stdin(input));
    let refused = refused.unwrap_err();
    let inner = refused.get_ref().and_then(|inner| inner.downcast_ref());
    let Some(&WatchError::NoSuchProcess { pid, .. }) = inner else {
        panic!("{refused:?}");
    };
    drop(end);
    let number = rustix::process::Pid::from_raw(pid.as_raw());
    let waited = rustix::process::waitpid(number, rustix::process::WaitOptions::empty());
    let (_, status) = waited.unwrap().unwrap();
    assert_eq!(status.exit_status(), Some(0));
}

#[test]
fn a_closure_is_added_to_a_registration_and_refused_without_one() {
    let (processes, watcher) = stage();
    let watcher: &dyn PidWatcher = &watcher;
    let pid = processes.spawn();
    let (sender, receiver) = mpsc::channel();
    let refused = watcher.register_on_exit(pid, |_| {});
    assert!(matches!(refused, Err(WatchError::NotRegistered { .. })));
    watcher.register_pid(pid).unwrap();
    watcher
        .register_on_exit(pid, move |exit| sender.send(exit).unwrap())
        .unwrap();
    processes.exit(pid, code(3));
    let exit = receiver.recv_timeout(LONG).unwrap();
    assert_eq!(exit.status(), Some(code(3)));
}

/// The `Drop` of a captured value panics as the callback is refused.
#[test]
fn a_spawned_child_whose_refusal_panics_is_killed_and_reaped() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            resume_unwind(Box::new("a captured value"));
        }
    }
    let (input, _end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let (sender, receiver) = mpsc::channel();
    let refuses = Registers(move |pid| {
        sender.send(pid).unwrap();
        refuses_slowly(pid)
    });
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let captured = Panics;
        refuses.spawn_watched(Command::new("cat").stdin(input), move |_| drop(captured))
    }));
    assert!(panicked.is_err());
    assert_reaped(receiver.recv().unwrap());
}

#[test]
fn a_spawned_child_whose_callback_or_future_is_refused_is_killed_and_reaped() {
    for with_future in [false, true] {
        let (input, _end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let mut command = Command::new("cat");
        command.stdin(input);
        let refuses = Registers(refuses_slowly);
        let refused = if with_future {
            refuses.spawn_exited(&mut command).map(drop)
        } else {
            refuses.spawn_watched(&mut command, |_| {}).map(drop)
        };
        let refused = refused.unwrap_err();
        let inner = refused.get_ref().and_then(|inner| inner.downcast_ref());
        let Some(&WatchError::NotAChild { pid, .. }) = inner else {
            panic!("{refused:?}");
        };
        assert_reaped(pid);
    }
}

#[track_caller]
fn assert_reaped(pid: Pid) {
    let number = rustix::process::Pid::from_raw(pid.as_raw()).unwrap();
    let left = rustix::process::waitpid(Some(number), rustix::process::WaitOptions::NOHANG);
    assert_eq!(left.unwrap_err(), rustix::io::Errno::CHILD);
}

/// Refuses a process, but not before that process waits or has exited.
fn refuses_slowly(pid: Pid) -> Result<(), WatchError> {
    loop {
        match state(&format!("{pid}")) {
            'S' => return Err(WatchError::NotAChild { pid, source: None }),
            'Z' => return Err(WatchError::NoSuchProcess { pid, source: None }),
            _ => thread::yield_now(),
        }
    }
}

/// The state of a process, or of a `self/task/TID`: `S` if it sleeps.
fn state(of: &str) -> char {
    let stat = fs::read_to_string(format!("/proc/{of}/stat")).expect("it is not reaped");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
    fields.chars().next().expect("a state")
}

/// Waits until a process, or a `self/task/TID`, is in this state.
fn until_state(of: &str, wanted: char) {
    while state(of) != wanted {
        thread::yield_now();
    }
}

/// Runs a given `register_pid`, for `watch` too, and does nothing else.
struct Registers<F>(F);

impl<F> fmt::Debug for Registers<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registers").finish_non_exhaustive()
    }
}

impl<F: Fn(Pid) -> Result<(), WatchError> + Send + Sync> PidWatcher for Registers<F> {
    fn register_pid(&self, pid: Pid) -> Result<(), WatchError> {
        (self.0)(pid)
    }

    fn unregister_pid(&self, _: Pid) {}

    fn register_callback(&self, pid: Pid, _: ExitCallback) -> Result<WatchHandle, WatchError> {
        Err(WatchError::NotRegistered { pid })
    }

    fn unregister_callback(&self, _: WatchHandle) -> Unregistered {
        Unregistered::HasRun
    }

    fn watch(&self, pid: Pid, _: ExitCallback) -> Result<WatchHandle, WatchError> {
        (self.0)(pid).map(|()| WatchHandle::new_unique(pid))
    }

    fn try_wait(&self, pid: Pid) -> Result<Option<Exit>, WatchError> {
        Err(WatchError::NotRegistered { pid })
    }
}

/// A forked child that only exits.
fn exits() -> Infallible {
    // SAFETY: ends the copy at once.
    unsafe { libc::_exit(0) }
}

#[test]
fn a_forked_child_waits_for_its_registration_and_goes_if_that_is_refused() {
    // SAFETY: the child does nothing but end.
    let refused = unsafe { Registers(refuses_slowly).fork_watchable(exits) };
    let refused = refused.unwrap_err();
    let inner = refused.get_ref().and_then(|inner| inner.downcast_ref());
    let Some(&WatchError::NotAChild { pid, .. }) = inner else {
        panic!("it ran before it was registered: {refused:?}");
    };
    let number = rustix::process::Pid::from_raw(pid.as_raw()).unwrap();
    let left = rustix::process::waitpid(Some(number), rustix::process::WaitOptions::NOHANG);
    assert_eq!(left.unwrap_err(), rustix::io::Errno::CHILD);
}

/// The caller does not learn the child's pid, so nothing else could reap the child.
#[test]
fn a_forked_child_whose_registration_panics_goes_too() {
    let (sender, receiver) = mpsc::channel();
    let panics = Registers(move |pid| {
        sender.send(pid).unwrap();
        // Without the hook's message.
        resume_unwind(Box::new("a source's panic"))
    });
    // SAFETY: the child does nothing but end.
    let fork = || unsafe { panics.fork_watchable(exits) };
    assert!(catch_unwind(AssertUnwindSafe(fork)).is_err());
    assert_reaped(receiver.recv().unwrap());
}

/// Installs a handler of `SIGUSR1` that does nothing, but interrupts system calls.
fn interrupts_calls() {
    extern "C" fn nothing(_: libc::c_int) {}
    let handler: extern "C" fn(libc::c_int) = nothing;
    // SAFETY: all zeros is a valid action without flags, and so without SA_RESTART. It lives
    // across the call, and its handler does nothing.
    let answer = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as libc::sighandler_t;
        libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut())
    };
    assert_eq!(answer, 0);
}

/// Waits until a process, or a `self/task/TID`, has taken every signal sent to it.
fn until_taken(of: &str) {
    let is_pending = || {
        let status = fs::read_to_string(format!("/proc/{of}/status")).expect("it is not reaped");
        let mut pending = status.lines().filter_map(|line| {
            line.strip_prefix("SigPnd:")
                .or(line.strip_prefix("ShdPnd:"))
        });
        pending.any(|signals| signals.trim().bytes().any(|digit| digit != b'0'))
    };
    while is_pending() {
        thread::yield_now();
    }
}

fn signal(pid: Pid, signal: rustix::process::Signal) {
    let number = rustix::process::Pid::from_raw(pid.as_raw()).unwrap();
    rustix::process::kill_process(number, signal).unwrap();
}

/// The program's handlers are the child's too until it executes another program.
#[test]
fn a_signal_does_not_end_a_forked_child_that_waits_for_its_registration() {
    interrupts_calls();
    let watcher = Registers(|pid: Pid| {
        until_state(&format!("{pid}"), 'S');
        signal(pid, rustix::process::Signal::USR1);
        until_taken(&format!("{pid}"));
        Ok(())
    });
    // SAFETY: the child does nothing but end.
    let pid = unsafe { watcher.fork_watchable(exits) }.unwrap();
    let number = rustix::process::Pid::from_raw(pid.as_raw());
    let waited = rustix::process::waitpid(number, rustix::process::WaitOptions::empty());
    let (_, status) = waited.unwrap().unwrap();
    assert_eq!(status.exit_status(), Some(0), "it was let go, and ran");
}

#[test]
fn a_forked_child_that_is_refused_is_reaped_though_a_signal_interrupts_that() {
    interrupts_calls();
    let (refuse, refused) = mpsc::sync_channel(0);
    // SAFETY: they take nothing.
    let (own, own_thread) = unsafe { (libc::gettid(), libc::pthread_self()) };
    let helper = thread::spawn(move || {
        let pid = refused.recv().unwrap();
        let task = format!("self/task/{own}");
        // The call waits for the child, which has stopped.
        until_state(&task, 'S');
        // SAFETY: the thread lives until this one has been joined.
        assert_eq!(unsafe { libc::pthread_kill(own_thread, libc::SIGUSR1) }, 0);
        until_taken(&task);
        signal(pid, rustix::process::Signal::CONT);
        pid
    });
    let watcher = Registers(move |pid: Pid| {
        until_state(&format!("{pid}"), 'S');
        signal(pid, rustix::process::Signal::STOP);
        until_state(&format!("{pid}"), 'T');
        refuse.send(pid).unwrap();
        Err(WatchError::NotAChild { pid, source: None })
    });
    // SAFETY: the child does nothing but end.
    assert!(unsafe { watcher.fork_watchable(exits) }.is_err());
    let pid = helper.join().unwrap();
    let number = rustix::process::Pid::from_raw(pid.as_raw());
    let left = rustix::process::waitpid(number, rustix::process::WaitOptions::empty());
    assert_eq!(left.unwrap_err(), rustix::io::Errno::CHILD);
}

/// The parent exits in the middle of the registration. Only the parent has the pipe's other end.
#[test]
fn a_forked_child_ends_when_its_parent_does_before_it_is_let_go() {
    let (ended, end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let watcher = Registers(|pid: Pid| {
        rustix::io::write(&end, &pid.as_raw().to_ne_bytes()).unwrap();
        // SAFETY: ends the copy at once.
        unsafe { libc::_exit(0) }
    });
    // SAFETY: the copy makes system calls, and allocates, which glibc and musl allow in a
    // copy that `fork` has made.
    let parent = unsafe { libc::fork() };
    assert_ne!(parent, -1);
    if parent == 0 {
        // SAFETY: the child does nothing but end.
        let _ = unsafe { watcher.fork_watchable(exits) };
        // SAFETY: ends the copy at once.
        unsafe { libc::_exit(1) }
    }
    drop(end);
    let parent = rustix::process::Pid::from_raw(parent);
    let waited = rustix::process::waitpid(parent, rustix::process::WaitOptions::empty());
    let (_, status) = waited.unwrap().unwrap();
    assert_eq!(status.exit_status(), Some(0));
    let mut number = [0; 4];
    assert_eq!(rustix::io::read(&ended, &mut number), Ok(4));
    let child = Pid::try_from(i32::from_ne_bytes(number)).unwrap();
    // The child has the pipe's other end until it ends.
    let (sender, receiver) = mpsc::channel();
    let reading = thread::spawn(move || sender.send(rustix::io::read(&ended, &mut [0])));
    let read = receiver.recv_timeout(LONG);
    if read.is_err() {
        // The child still waits, so the pid is its own.
        signal(child, rustix::process::Signal::KILL);
    }
    reading.join().unwrap().unwrap();
    assert_eq!(read, Ok(Ok(0)));
}

/// The process of the test.
static TESTS_PROCESS: AtomicU32 = AtomicU32::new(0);

/// A program's exit handlers run once, and not in the child too.
#[test]
fn a_forked_child_that_panics_runs_nothing_of_its_parents_end() {
    const RAN: i32 = 55;
    extern "C" fn at_exit() {
        if std::process::id() != TESTS_PROCESS.load(Ordering::SeqCst) {
            // SAFETY: ends the copy at once.
            unsafe { libc::_exit(RAN) }
        }
    }
    // Without the hook's message.
    fn panics() -> Infallible {
        std::panic::resume_unwind(Box::new("a child's panic"))
    }
    TESTS_PROCESS.store(std::process::id(), Ordering::SeqCst);
    // SAFETY: the function does nothing in this process.
    assert_eq!(unsafe { libc::atexit(at_exit) }, 0);
    let watcher = Registers(|_| Ok(()));
    // SAFETY: the child allocates its panic, which glibc and musl allow in a copy that `fork`
    // has made, and ends.
    let pid = unsafe { watcher.fork_watchable(panics) }.unwrap();
    let number = rustix::process::Pid::from_raw(pid.as_raw());
    let waited = rustix::process::waitpid(number, rustix::process::WaitOptions::empty());
    let (_, status) = waited.unwrap().unwrap();
    assert_eq!(status.exit_status(), Some(101));
}

/// A child may rely on the numbers of its files, and may live long.
#[test]
fn a_forked_child_that_is_let_go_has_no_end_of_its_gate() {
    let files = |pid: Pid| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let at_the_gate = AtomicUsize::new(0);
    let watcher = Registers(|pid: Pid| {
        // The child waits at the gate.
        until_state(&format!("{pid}"), 'S');
        at_the_gate.store(files(pid), Ordering::SeqCst);
        Ok(())
    });
    fn stops() -> Infallible {
        // SAFETY: takes plain values.
        unsafe { libc::raise(libc::SIGSTOP) };
        exits()
    }
    // SAFETY: the child does nothing but stop, and end.
    let pid = unsafe { watcher.fork_watchable(stops) }.unwrap();
    until_state(&format!("{pid}"), 'T');
    let let_go = files(pid);
    signal(pid, rustix::process::Signal::KILL);
    let number = rustix::process::Pid::from_raw(pid.as_raw());
    rustix::process::waitpid(number, rustix::process::WaitOptions::empty()).unwrap();
    assert_eq!(let_go, at_the_gate.load(Ordering::SeqCst) - 1);
}

/// Another thread may execute a program at any moment.
#[test]
fn the_gate_of_a_forked_child_is_closed_on_exec() {
    let passed_on = || -> BTreeSet<i32> {
        let files = fs::read_dir("/proc/self/fd").unwrap();
        let numbers = files.filter_map(|file| file.unwrap().file_name().to_str()?.parse().ok());
        // SAFETY: takes plain values.
        let flags = |file| unsafe { libc::fcntl(file, libc::F_GETFD) };
        numbers.filter(|&file| flags(file) == 0).collect()
    };
    let before = passed_on();
    let watcher = Registers(|_| {
        assert_eq!(passed_on(), before);
        Ok(())
    });
    // SAFETY: the child does nothing but end.
    let pid = unsafe { watcher.fork_watchable(exits) }.unwrap();
    let number = rustix::process::Pid::from_raw(pid.as_raw());
    rustix::process::waitpid(number, rustix::process::WaitOptions::empty()).unwrap();
}

/// Set in a forked copy.
static IS_COPY: AtomicBool = AtomicBool::new(false);

/// The exit code of a copy that drops what is the parent's.
const DROPS: i32 = 77;

/// Ends a copy that drops what is the parent's.
fn must_not_be_dropped_in_a_copy() {
    if IS_COPY.load(Ordering::SeqCst) {
        // SAFETY: ends the copy at once.
        unsafe { libc::_exit(DROPS) }
    }
}

/// A source without processes, which must not be dropped in a copy. Another source would join a
/// thread there, or close files of the parent.
#[derive(Debug, Default)]
struct Parents {
    is_woken: Mutex<bool>,
    woken: Condvar,
    /// A wait panics when it is woken.
    panics: AtomicBool,
}

/// What only the driver of such a source uses. It must not be dropped in a copy either.
struct ParentsWaiter(OwnedFd);

impl ParentsWaiter {
    fn new() -> Self {
        let never_readable = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        ParentsWaiter(never_readable)
    }
}

impl Drop for ParentsWaiter {
    fn drop(&mut self) {
        must_not_be_dropped_in_a_copy();
    }
}

impl ExitSource for Parents {
    type Waiter = ParentsWaiter;

    const THREAD_NAME: &'static str = "parents";

    fn arm(&self, _: Pid, _: Token) -> Result<(), WatchError> {
        Ok(())
    }

    fn disarm(&self, _: Token) {}

    fn is_reaped(&self, _: Token) -> bool {
        false
    }

    fn look(&self, _: Token) -> Option<Report> {
        None
    }

    fn wait(&self, _: &mut ParentsWaiter, _: &mut Vec<Report>) -> io::Result<()> {
        let is_woken = self.is_woken.lock().unwrap();
        let waits = |is_woken: &mut bool| !*is_woken;
        *self.woken.wait_while(is_woken, waits).unwrap() = false;
        if self.panics.load(Ordering::SeqCst) {
            // Without the hook's message.
            resume_unwind(Box::new(()));
        }
        Ok(())
    }

    fn wake(&self) -> io::Result<()> {
        *self.is_woken.lock().unwrap() = true;
        self.woken.notify_one();
        Ok(())
    }
}

impl PollableSource for Parents {
    fn descriptor<'a>(&'a self, waiter: &'a ParentsWaiter) -> BorrowedFd<'a> {
        waiter.0.as_fd()
    }

    fn collect(&self, _: &mut ParentsWaiter, _: &mut Vec<Report>) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Parents {
    fn drop(&mut self) {
        must_not_be_dropped_in_a_copy();
    }
}

/// Forks when it is dropped.
struct Forks(mpsc::Sender<i32>);

impl Drop for Forks {
    fn drop(&mut self) {
        // SAFETY: the copy drops a watcher, which is under test, and ends.
        match unsafe { libc::fork() } {
            0 => IS_COPY.store(true, Ordering::SeqCst),
            copy => self.0.send(copy).unwrap(),
        }
    }
}

/// Must not be dropped in a copy, because the parent drops it too.
struct Captured;

impl Drop for Captured {
    fn drop(&mut self) {
        must_not_be_dropped_in_a_copy();
    }
}

/// A watcher of one process with two callbacks. What the first captures forks when it is dropped,
/// and sends the copy's pid.
fn watcher_that_forks_at_its_end() -> (ThreadedWatcher<Parents>, mpsc::Receiver<i32>) {
    let watcher = ThreadedWatcher::start(Parents::default(), ParentsWaiter::new()).unwrap();
    let receiver = add_callbacks(&watcher, Pid::try_from(7).unwrap());
    (watcher, receiver)
}

/// The first callback forks when it is dropped. The second must not be dropped in the copy.
fn add_callbacks(watcher: &dyn PidWatcher, pid: Pid) -> mpsc::Receiver<i32> {
    let (sender, receiver) = mpsc::channel();
    let (forks, captured) = (Forks(sender), Captured);
    watcher.on_exit(pid, move |_| drop(forks)).unwrap();
    watcher.on_exit(pid, move |_| drop(captured)).unwrap();
    receiver
}

fn assert_leaves_the_rest_alone(copy: i32) {
    let copy = rustix::process::Pid::from_raw(copy);
    let waited = rustix::process::waitpid(copy, rustix::process::WaitOptions::empty());
    let (_, status) = waited.unwrap().unwrap();
    // A copy whose last thread ends runs the exit handlers of other tests. They may change its code.
    let code = status.exit_status();
    assert!(code.is_some_and(|code| code != DROPS), "{status:?}");
}

/// The copy is made in the middle of the watcher's drop, and continues that drop.
#[test]
fn a_copy_that_a_captured_value_makes_at_the_end_leaves_the_rest_alone() {
    let (watcher, copy) = watcher_that_forks_at_its_end();
    drop(watcher);
    if IS_COPY.load(Ordering::SeqCst) {
        // SAFETY: ends the copy at once.
        unsafe { libc::_exit(0) }
    }
    assert_leaves_the_rest_alone(copy.recv().unwrap());
}

/// The copy is made on the watcher's thread, and has no other thread.
#[test]
fn a_copy_that_a_captured_value_makes_after_a_panic_of_the_source_leaves_the_rest_alone() {
    let (watcher, copy) = watcher_that_forks_at_its_end();
    watcher.source().panics.store(true, Ordering::SeqCst);
    watcher.source().wake().unwrap();
    assert_leaves_the_rest_alone(copy.recv().unwrap());
}

/// The copy continues the drop of one half, and the other half is left.
#[test]
fn a_copy_that_a_captured_value_makes_as_a_half_is_dropped_leaves_the_rest_alone() {
    for watcher_goes_first in [true, false] {
        let (watcher, driver) = DrivenWatcher::new(Parents::default(), ParentsWaiter::new());
        let copy = add_callbacks(&watcher, Pid::try_from(7).unwrap());
        let (watcher, driver) = if watcher_goes_first {
            drop(watcher);
            (None, Some(driver))
        } else {
            drop(driver);
            (Some(watcher), None)
        };
        if IS_COPY.load(Ordering::SeqCst) {
            // SAFETY: ends the copy at once.
            unsafe { libc::_exit(0) }
        }
        assert_leaves_the_rest_alone(copy.recv().unwrap());
        drop((watcher, driver));
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
