//! Children that are registered before their exit can matter.

#![expect(unsafe_code, reason = "`fork`, `_exit`")]

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitOptions};

use crate::{Pid, PidWatcher};

/// What a Rust program's own `main` exits with after a panic.
const PANICKED: i32 = 101;
/// The forked child was never let go.
const NOT_LET_GO: i32 = 127;

pub(crate) fn spawn_watchable<W: PidWatcher + ?Sized>(
    watcher: &W,
    command: &mut Command,
) -> io::Result<Child> {
    let mut child = command.spawn()?;
    if let Err(refused) = watcher.register_pid(Pid::from(&child)) {
        // Either may fail only for a child that is gone already.
        let _ = child.kill();
        let _ = child.wait();
        return Err(refused.into());
    }
    Ok(child)
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
            drop(gate);
            let pid = Pid::try_from(raw).map_err(io::Error::other)?;
            match watcher.register_pid(pid) {
                Ok(()) => {
                    // A child killed meanwhile has closed its end: no harm.
                    let _ = rustix::io::write(&opener, &[1]);
                    Ok(pid)
                }
                Err(refused) => {
                    kill_and_reap(raw);
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

/// Whether the parent has let this child go; it closes the pipe unwritten when
/// it dies first.
fn wait_for_gate(gate: OwnedFd) -> bool {
    let mut byte = [0];
    loop {
        match rustix::io::read(&gate, &mut byte) {
            Ok(read) => return read == 1,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

fn kill_and_reap(raw: i32) {
    let Some(pid) = rustix::process::Pid::from_raw(raw) else {
        return;
    };
    let _ = rustix::process::kill_process(pid, Signal::KILL);
    // ECHILD: reaped by whoever ignores SIGCHLD or waits for any child.
    while let Err(rustix::io::Errno::INTR) =
        rustix::process::waitpid(Some(pid), WaitOptions::empty())
    {}
}
