//! Children that are registered before their exit can matter.

#![expect(unsafe_code, reason = "`fork`, `_exit`")]

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::WaitOptions;

use crate::contract::error::WatchError;
use crate::contract::pid::Pid;
use crate::contract::watcher::PidWatcher;
use crate::wait::refused_child::Unregistered;

/// What a Rust program's own `main` exits with after a panic.
const PANICKED: i32 = 101;
/// The forked child was never let go.
const NOT_LET_GO: i32 = 127;

/// What the parent writes for the forked child.
const LET_GO: u8 = 1;
const END: u8 = 0;

pub(crate) fn spawn_watchable<W: PidWatcher + ?Sized>(
    watcher: &W,
    command: &mut Command,
) -> io::Result<Child> {
    let spawned = Unregistered::new(command.spawn()?);
    match watcher.register_pid(Pid::from(spawned.child())) {
        Ok(()) => Ok(spawned.registered()),
        // The child has been reaped, so whoever has its pid now is another process.
        Err(gone @ WatchError::NoSuchProcess { .. }) => Err(gone.into()),
        Err(refused) => {
            spawned.end();
            Err(refused.into())
        }
    }
}

/// # Safety
///
/// As [`PidWatcherExt::fork_watchable`](crate::PidWatcherExt::fork_watchable).
pub(crate) unsafe fn fork_watchable<W: PidWatcher + ?Sized>(
    watcher: &W,
    child: impl FnOnce() -> Infallible,
) -> io::Result<Pid> {
    let (gate, opener) = pipe_with(PipeFlags::CLOEXEC)?;
    // SAFETY: the copy runs only `wait_for_gate` (system calls) and `child`, for
    // which the caller answers.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(opener);
            run_child(gate, child)
        }
        raw => {
            let pid = Pid::try_from(raw).map_err(io::Error::other)?;
            let registered = watcher.register_pid(pid);
            // The order is written also for the end. Closing the pipe would not do: a
            // process that another thread forks meanwhile has a copy of `opener`, and
            // may keep it.
            let order = if registered.is_ok() { LET_GO } else { END };
            // `gate` is open here too, so the pipe has a reader even if the child has been
            // killed: no SIGPIPE. Should the write be refused, the child ends when the
            // pipe is closed.
            let _ = rustix::io::write(&opener, &[order]);
            drop((gate, opener));
            match registered {
                Ok(()) => Ok(pid),
                Err(refused) => {
                    reap(raw);
                    Err(refused.into())
                }
            }
        }
    }
}

/// The forked copy's whole life.
fn run_child(gate: OwnedFd, child: impl FnOnce() -> Infallible) -> ! {
    let code = if wait_for_gate(gate) {
        match catch_unwind(AssertUnwindSafe(child)) {
            Ok(never) => match never {},
            Err(payload) => {
                // Its Drop could panic again.
                std::mem::forget(payload);
                PANICKED
            }
        }
    } else {
        NOT_LET_GO
    };
    // SAFETY: ends this copy at once: no destructor, no atexit handler, no buffer
    // of the parent's is run or flushed a second time.
    unsafe { libc::_exit(code) }
}

/// Returns `true` once the parent has let this child go. If the parent dies first, it
/// closes the pipe unwritten.
fn wait_for_gate(gate: OwnedFd) -> bool {
    let mut byte = [0];
    loop {
        match rustix::io::read(&gate, &mut byte) {
            Ok(read) => return read == 1 && byte == [LET_GO],
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Waits for a forked child that has been ordered to end.
fn reap(raw: i32) {
    let pid = rustix::process::Pid::from_raw(raw);
    // ECHILD: it is reaped by the kernel, where SIGCHLD is ignored, or by a thread that
    // waits for any child.
    while let Err(rustix::io::Errno::INTR) = rustix::process::waitpid(pid, WaitOptions::empty()) {}
}
