//! The conveniences over any watcher, on simulated processes.

#![expect(unsafe_code, reason = "`fork_watchable`, and the end of its copy")]

use std::convert::Infallible;
use std::fs;
use std::future::Future;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use childwatch_core::{
    Exit, ExitCallback, Pid, PidWatcher, PidWatcherExt, SimulatedProcesses, SimulatedWatcher,
    Unregistered, WatchError, WatchHandle,
};

const LONG: Duration = Duration::from_secs(60);

fn stage() -> (SimulatedProcesses, SimulatedWatcher) {
    let processes = SimulatedProcesses::new();
    let watcher = SimulatedWatcher::new(&processes).expect("a watcher");
    (processes, watcher)
}

fn code(code: i32) -> ExitStatus {
    ExitStatus::from_raw(code << 8)
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The least that drives a future.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        thread::park();
    }
}

#[test]
fn a_future_resolves_at_the_exit_on_whichever_thread_it_is_polled() {
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    let mut exited = watcher.exited(pid).unwrap();
    // Polled once here, and then driven by another thread: the waker is the last one's.
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
    assert_eq!(processes.watched(), 0);
    // Also when the watcher is gone.
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
    let (tell, told) = mpsc::channel();
    let waker = Waker::from(Arc::new(DropsFuture(tell)));
    assert!(
        pin!(&mut exited)
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    processes.exit(pid, code(0));
    told.recv_timeout(LONG).unwrap();
    drop(exited);
    assert!(watcher.wait_timeout(pid, LONG).unwrap().is_some());
}

#[test]
fn wait_timeout_tells_an_exit_from_none() {
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    let none = watcher.wait_timeout(pid, Duration::from_millis(1)).unwrap();
    assert_eq!(none, None);
    assert_eq!(processes.watched(), 0, "a wait in vain leaves nothing");
    processes.exit(pid, code(8));
    let exit = watcher.wait_timeout(pid, Duration::MAX).unwrap().unwrap();
    assert_eq!(exit.to_string(), format!("process {pid}: exit status: 8"));
    let unknown = Pid::try_from(5).unwrap();
    assert!(matches!(
        watcher.wait_timeout(unknown, LONG),
        Err(WatchError::NoSuchProcess { .. })
    ));
}

#[test]
fn a_guard_unregisters_unless_it_is_let_go() {
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    let (tell, told) = mpsc::channel();
    let sends = |what: &'static str| {
        let tell = tell.clone();
        move |_| tell.send(what).unwrap()
    };
    drop(watcher.watch_guard(pid, sends("dropped")).unwrap());
    let guard = watcher.watch_guard(pid, sends("unregistered")).unwrap();
    assert_eq!(guard.unregister(), Unregistered::WillNotRun);
    let kept = watcher.watch_guard(pid, sends("kept")).unwrap();
    let handle = kept.handle();
    assert_eq!(kept.into_handle(), handle);
    drop(tell);

    processes.exit(pid, code(0));
    assert_eq!(told.recv_timeout(LONG), Ok("kept"));
    assert!(told.recv_timeout(LONG).is_err(), "and nothing else");
}

#[test]
fn a_command_that_cannot_be_spawned_is_the_commands_error() {
    let (_, watcher) = stage();
    let refused = watcher.spawn_watchable(&mut Command::new("/nonexistent/program"));
    assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::ENOENT));
}

#[test]
fn a_spawned_child_that_is_refused_is_killed_and_reaped() {
    // It would wait for its input for ever: this process holds the other end.
    let (input, _end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let refused = RefusesSlowly.spawn_watchable(Command::new("cat").stdin(input));
    let refused = refused.unwrap_err();
    let inner = refused.get_ref().and_then(|inner| inner.downcast_ref());
    let Some(&WatchError::NotAChild { pid, .. }) = inner else {
        panic!("{refused:?}");
    };
    let number = rustix::process::Pid::from_raw(pid.as_raw()).unwrap();
    let left = rustix::process::waitpid(Some(number), rustix::process::WaitOptions::NOHANG);
    assert_eq!(left.unwrap_err(), rustix::io::Errno::CHILD);
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

/// Takes its time to refuse a process: until that waits, or has ended.
#[derive(Debug)]
struct RefusesSlowly;

impl PidWatcher for RefusesSlowly {
    fn register_pid(&self, pid: Pid) -> Result<(), WatchError> {
        loop {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is not reaped");
            let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
            match fields.chars().next() {
                Some('S') => return Err(WatchError::NotAChild { pid, source: None }),
                Some('Z') => return Err(WatchError::NoSuchProcess { pid, source: None }),
                _ => thread::yield_now(),
            }
        }
    }

    fn unregister_pid(&self, _: Pid) {}

    fn register_callback(&self, pid: Pid, _: ExitCallback) -> Result<WatchHandle, WatchError> {
        Err(WatchError::NotRegistered { pid })
    }

    fn unregister_callback(&self, _: WatchHandle) -> Unregistered {
        Unregistered::HasRun
    }

    fn watch(&self, pid: Pid, _: ExitCallback) -> Result<WatchHandle, WatchError> {
        Err(WatchError::NotRegistered { pid })
    }

    fn try_wait(&self, pid: Pid) -> Result<Option<Exit>, WatchError> {
        Err(WatchError::NotRegistered { pid })
    }
}

#[test]
fn a_forked_child_waits_for_its_registration_and_goes_if_that_is_refused() {
    fn exits() -> Infallible {
        // SAFETY: ends the copy at once.
        unsafe { libc::_exit(0) }
    }
    // SAFETY: the child does nothing but end.
    let refused = unsafe { RefusesSlowly.fork_watchable(exits) };
    let refused = refused.unwrap_err();
    let inner = refused.get_ref().and_then(|inner| inner.downcast_ref());
    let Some(&WatchError::NotAChild { pid, .. }) = inner else {
        panic!("it ran before it was registered: {refused:?}");
    };
    let number = rustix::process::Pid::from_raw(pid.as_raw()).unwrap();
    let left = rustix::process::waitpid(Some(number), rustix::process::WaitOptions::NOHANG);
    assert_eq!(left.unwrap_err(), rustix::io::Errno::CHILD);
}

/// The call waits in a callback, on the thread that would run the callback for the exit.
#[test]
fn a_callback_may_wait_for_an_exit_that_has_happened() {
    let processes = SimulatedProcesses::new();
    let watcher = Arc::new(SimulatedWatcher::new(&processes).unwrap());
    let [first, dead, live] = [(); 3].map(|()| processes.spawn());
    let (tell, told) = mpsc::channel();
    let shared = Arc::clone(&watcher);
    let callback = move |_| {
        let found = [dead, live].map(|pid| shared.wait_timeout(pid, Duration::ZERO).unwrap());
        tell.send(found).unwrap();
    };
    watcher.on_exit(first, callback).unwrap();
    assert!(processes.exit(dead, ExitStatus::from_raw(3 << 8)));
    assert!(processes.exit(first, ExitStatus::from_raw(0)));
    let [dead_found, live_found] = told.recv().unwrap();
    assert_eq!(
        dead_found.map(|exit| exit.status()),
        Some(Some(ExitStatus::from_raw(3 << 8)))
    );
    assert_eq!(live_found, None);
}
