//! A child that is spawned and watched in one step.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::mpsc;

use childwatch_core::{PidWatcher, PidWatcherExt, WatchError};

use crate::common::{LONG, code, stage};
use crate::registers::{Registers, assert_reaped, refuses_slowly};

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
