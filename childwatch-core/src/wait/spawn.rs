//! Children that are registered before their exit can matter.

#![expect(unsafe_code, reason = "`fork`, `_exit`")]

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Child, Command};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::WaitId;

use crate::contract::error::WatchError;
use crate::contract::pid::Pid;
use crate::contract::watcher::PidWatcher;
use crate::platform::keep_clear::keep_clear;
use crate::wait::refused_child::{SpawnedChild, reap};

/// The code with which a Rust program exits after a panic in `main`.
const PANICKED: i32 = 101;
/// The code of a forked child that was never let go.
const NOT_LET_GO: i32 = 127;

/// What the parent writes for the forked child.
const LET_GO: u8 = 1;
const END: u8 = 0;

pub(crate) fn spawn_watchable<W: PidWatcher + ?Sized>(
    watcher: &W,
    command: &mut Command,
) -> io::Result<Child> {
    let (child, ()) = spawn_and(command, |pid| watcher.register_pid(pid))?;
    Ok(child)
}

/// Spawns a command, and registers its process by `register`. A child that is refused is ended.
pub(crate) fn spawn_and<T>(
    command: &mut Command,
    register: impl FnOnce(Pid) -> Result<T, WatchError>,
) -> io::Result<(Child, T)> {
    let spawned = SpawnedChild::new(command.spawn()?);
    let pid = Pid::from(spawned.child());
    // A refused callback is dropped in `register`, and the `Drop` of a captured value may panic.
    match catch_unwind(AssertUnwindSafe(|| register(pid))) {
        Ok(Ok(registered)) => Ok((spawned.into_child(), registered)),
        // The child has been reaped, so its pid may belong to another process now.
        Ok(Err(gone @ WatchError::NoSuchProcess { .. })) => Err(gone.into()),
        Ok(Err(refused)) => {
            spawned.kill_and_reap();
            Err(refused.into())
        }
        Err(panic) => {
            spawned.kill_and_reap();
            resume_unwind(panic)
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
    let Gate { opener, gate } = keep_clear(Gate::new)?;
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
            // A source may panic, although it must not (S9).
            let registered = catch_unwind(AssertUnwindSafe(|| watcher.register_pid(pid)));
            // The order is written for the end too. Closing the pipe would not be enough: a
            // process that another thread forks meanwhile may keep a copy of `opener`.
            let order = match registered {
                Ok(Ok(())) => LET_GO,
                Ok(Err(_)) | Err(_) => END,
            };
            // `gate` is open in the parent too. So the pipe has a reader even if the child has
            // been killed, and the write raises no SIGPIPE. If the write fails, the child ends
            // when the pipe is closed.
            let _ = rustix::io::write(&opener, &[order]);
            drop((gate, opener));
            match registered {
                Ok(Ok(())) => Ok(pid),
                Ok(Err(refused)) => {
                    reap_ended(raw);
                    Err(refused.into())
                }
                Err(panic) => {
                    reap_ended(raw);
                    resume_unwind(panic)
                }
            }
        }
    }
}

/// A pipe. The child reads from `gate` what the parent writes to `opener`.
///
/// `opener` is dropped first. If it has the number of a stream, the program may print to it until then,
/// and a pipe without a reader would raise SIGPIPE.
struct Gate {
    opener: OwnedFd,
    gate: OwnedFd,
}

impl Gate {
    fn new() -> io::Result<Self> {
        let (gate, opener) = pipe_with(PipeFlags::CLOEXEC)?;
        Ok(Gate { opener, gate })
    }
}

/// The lower number of the two, so that both can be kept clear of the standard streams. What the program
/// prints to a closed one would be an order.
impl AsRawFd for Gate {
    fn as_raw_fd(&self) -> RawFd {
        self.gate.as_raw_fd().min(self.opener.as_raw_fd())
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
fn reap_ended(raw: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(raw) {
        reap(WaitId::Pid(pid));
    }
}
