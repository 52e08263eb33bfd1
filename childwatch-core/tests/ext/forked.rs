//! A child that is forked, and waits at a gate until it is watched.

#![expect(
    unsafe_code,
    reason = "`fork_watchable`, and what its children do and are sent"
)]

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use childwatch_core::{Pid, PidWatcherExt, WatchError};

use crate::common::LONG;
use crate::registers::{Registers, assert_reaped, refuses_slowly, until_state};

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
