//! [`Gated`]: a child that any library can start, and that exits when it is let go.
//!
//! It is started by a `Command`, and therefore `tokio::process` and `async-process` can start it
//! too. It runs no other program: a new program would free its memory in the measured time. The
//! child is a fork that never leaves the closure of `pre_exec`. It closes the pipe by which
//! `Command` learns of a failed `exec`, so that `spawn` returns.

#![expect(
    unsafe_code,
    reason = "a child that lives in the closure of `pre_exec`"
)]

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::Context;
use childwatch_core::Pid;
use childwatch_ptrace_free_tests::kit::crowd;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

/// A program that exits at once.
pub(crate) const PROGRAM: &str = "/bin/true";

/// A child that has not been started.
pub(crate) struct Gated {
    gate: OwnedFd,
    report: OwnedFd,
}

/// The other ends of the child's pipes.
pub(crate) struct Gate {
    gate: OwnedFd,
    report: File,
}

/// The code with which the child exits.
const CODE: i32 = 7;

impl Gated {
    pub(crate) fn new() -> anyhow::Result<(Self, Gate)> {
        let (child_gate, gate) = pipe_with(PipeFlags::CLOEXEC)?;
        let (report, child_report) = pipe_with(PipeFlags::CLOEXEC)?;
        let child = Gated {
            gate: child_gate,
            report: child_report,
        };
        let report = report.into();
        Ok((child, Gate { gate, report }))
    }

    /// Returns the command that starts the child.
    pub(super) fn command(self) -> Command {
        let Gated { gate, report } = self;
        let mut command = Command::new(PROGRAM);
        // SAFETY: after the fork the closure makes system calls only. It allocates nothing, takes
        // no lock, and does not return.
        unsafe {
            command.pre_exec(move || {
                live(&gate, &report);
                libc::_exit(CODE)
            });
        }
        command
    }

    /// Starts the child by std's `Command`.
    pub(super) fn spawn(self) -> anyhow::Result<Pid> {
        Ok(Pid::from(&self.command().spawn()?))
    }
}

impl Gate {
    /// Lets the child go.
    pub(crate) fn open(self) -> Left {
        let Gate { gate, report } = self;
        drop(gate);
        Left(report)
    }
}

/// A child that has been let go.
pub(crate) struct Left(File);

impl Left {
    /// Returns when the child was about to exit, on the monotonic clock. Waits until it is.
    pub(crate) fn at(mut self) -> anyhow::Result<Duration> {
        let mut nanoseconds = [0; 8];
        self.0
            .read_exact(&mut nanoseconds)
            .context("the child has not left")?;
        Ok(Duration::from_nanos(u64::from_ne_bytes(nanoseconds)))
    }

    /// The status with which the child exits.
    pub(crate) fn status() -> ExitStatus {
        std::os::unix::process::ExitStatusExt::from_raw(CODE << 8)
    }
}

/// The life of the child. An error ends it at once: the parent then finds no time of the exit.
fn live(gate: &OwnedFd, report: &OwnedFd) {
    use rustix::stdio::{dup2_stdin, dup2_stdout, stdin, stdout};

    const FIRST_OTHER: u32 = 3;
    if dup2_stdin(gate).is_err() || dup2_stdout(report).is_err() {
        return;
    }
    // SAFETY: the child uses no descriptor but its standard streams from here on. Nothing owns
    // the others any more, because the closure does not return.
    unsafe { libc::syscall(libc::SYS_close_range, FIRST_OTHER, u32::MAX, 0) };
    let (gate, report) = (stdin(), stdout());
    while rustix::io::read(gate, &mut [0_u8]) == Err(Errno::INTR) {}
    let now = crowd::now().as_nanos() as u64;
    // The pipe has room.
    let _ = rustix::io::write(report, &now.to_ne_bytes());
}
