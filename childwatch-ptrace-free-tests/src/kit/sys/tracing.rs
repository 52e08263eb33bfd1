//! What a tracer does: `ptrace`, and the stops of its tracees.

#![expect(unsafe_code, reason = "`ptrace`, with plain values alone")]

use std::io;
use std::ptr;

use childwatch_core::Pid;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::death::number;

/// `PTRACE_EVENT_STOP` of `<linux/ptrace.h>`.
const EVENT_STOP: i32 = 128;

/// What a tracer sees of a tracee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It is about to get this signal.
    Signal(i32),
    /// It stands before or after a system call.
    Call,
    /// A `PTRACE_EVENT`, and the signal that comes with it.
    Event(i32, i32),
    /// It has exited with this code, and is a zombie.
    Exited(i32),
    /// It was killed by this signal, and is a zombie.
    Killed(i32),
}

impl Seen {
    /// It stands because all of its threads were stopped.
    pub(crate) const GROUP_STOP: Seen = Seen::Event(EVENT_STOP, libc::SIGSTOP);
    /// It stands because its tracer wants it to.
    pub(crate) const INTERRUPTED: Seen = Seen::Event(EVENT_STOP, libc::SIGTRAP);
    /// It has executed another program.
    pub(crate) const EXECUTED: Seen = Seen::Event(libc::PTRACE_EVENT_EXEC, libc::SIGTRAP);
    /// It is about to exit.
    pub(crate) const EXITING: Seen = Seen::Event(libc::PTRACE_EVENT_EXIT, libc::SIGTRAP);
}

/// A process that this thread traces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tracee(Pid);

/// Shows system calls, executed programs and exits as stops of their own. A tracee dies with
/// its tracer.
const OPTIONS: libc::c_int = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEEXIT
    | libc::PTRACE_O_EXITKILL;

impl Tracee {
    /// Begins to trace a process, without stopping it.
    pub(crate) fn seize(pid: Pid) -> io::Result<Self> {
        call(libc::PTRACE_SEIZE as libc::c_long, pid, OPTIONS)?;
        Ok(Tracee(pid))
    }

    /// Begins to trace a process, which never stands, and dies with this thread.
    pub(crate) fn jail(pid: Pid) -> io::Result<()> {
        call(
            libc::PTRACE_SEIZE as libc::c_long,
            pid,
            libc::PTRACE_O_EXITKILL,
        )
    }

    /// Stops it.
    pub(crate) fn interrupt(self) -> io::Result<()> {
        call(libc::PTRACE_INTERRUPT as libc::c_long, self.0, 0)
    }

    /// Lets it go on, with this signal or without one (0).
    pub(crate) fn go_on(self, signal: i32) -> io::Result<()> {
        call(libc::PTRACE_CONT as libc::c_long, self.0, signal)
    }

    /// Lets it go on to the next end of a system call.
    pub(crate) fn go_on_to_call(self) -> io::Result<()> {
        call(libc::PTRACE_SYSCALL as libc::c_long, self.0, 0)
    }

    /// Leaves it stopped with its group, until `SIGCONT`.
    pub(crate) fn stay_stopped(self) -> io::Result<()> {
        call(libc::PTRACE_LISTEN as libc::c_long, self.0, 0)
    }

    /// Traces it no more, and lets it go on. It stands at this moment.
    pub(crate) fn detach(self) -> io::Result<()> {
        call(libc::PTRACE_DETACH as libc::c_long, self.0, 0)
    }

    /// Takes the next stop, if there is one. A zombie is left to be reaped.
    pub(crate) fn try_next(self) -> io::Result<Option<Seen>> {
        let wall = WaitIdOptions::from_bits_retain(libc::__WALL as u32);
        let options = WaitIdOptions::EXITED | WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | wall;
        let next = |options| waitid(WaitId::Pid(number(self.0)), options);
        let Some(status) = next(options | WaitIdOptions::NOWAIT)? else {
            return Ok(None);
        };
        let exited = status.exit_status().map(Seen::Exited);
        let ended = exited.or(status.terminating_signal().map(Seen::Killed));
        if ended.is_some() {
            return Ok(ended);
        }
        next(options)?;
        Ok(status.trapping_signal().map(seen))
    }
}

/// The status of a stop is a signal, and an event above it.
fn seen(status: i32) -> Seen {
    const CALL: i32 = libc::SIGTRAP | 0x80;
    match (status >> 8, status & 0xff) {
        (0, CALL) => Seen::Call,
        (0, signal) => Seen::Signal(signal),
        (event, signal) => Seen::Event(event, signal),
    }
}

/// The constants of `request` have another type in each C library.
fn call(request: libc::c_long, pid: Pid, data: libc::c_int) -> io::Result<()> {
    let (process, data) = (libc::c_long::from(pid.as_raw()), libc::c_long::from(data));
    let address = ptr::null_mut::<()>();
    // SAFETY: none of these requests takes memory of ours. The address must be null, and the
    // data are bits or a signal.
    let answer = unsafe { libc::syscall(libc::SYS_ptrace, request, process, address, data) };
    if answer == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
