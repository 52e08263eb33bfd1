//! Children that wait at a gate until the case lets them go.

use std::fmt::Debug;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use childwatch_core::{Pid, SimulatedProcesses};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::kit::deadline;
use crate::kit::sys::{birth, death, permits};

/// Where children come from.
pub trait Nursery: Send + Sync {
    /// A live child, waiting at its gate.
    fn spawn(&self) -> Box<dyn GatedChild>;

    /// A live child with this very number, which must be free.
    fn spawn_as(&self, pid: Pid) -> Box<dyn GatedChild>;

    /// Whether `spawn_as` works here.
    ///
    /// # Errors
    ///
    /// Why not.
    fn can_choose_pids(&self) -> Result<(), String>;
}

/// How a child ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By `_exit` with this code.
    Code(u8),
    /// By this signal.
    Signal(u8),
}

impl End {
    /// The end of this status.
    pub(crate) fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => End::Code(code as u8),
            (None, signal) => End::Signal(signal.unwrap_or_default() as u8),
        }
    }
}

/// A live child at its gate. Dropping it kills and reaps what is left of it.
pub trait GatedChild: Debug + Send + Sync {
    /// Its number.
    fn pid(&self) -> Pid;

    /// Lets it go, without waiting until it has gone.
    fn let_go(&self, end: End);

    /// Waits until it is a zombie, or is gone altogether. It stays unreaped.
    fn confirm_dead(&self);

    /// Reaps it; `None` when somebody else has.
    fn reap(&mut self) -> Option<ExitStatus>;

    /// Whether the kernel knows it.
    fn is_real(&self) -> bool;

    /// Lets it go and waits until it is dead.
    fn die(&self, end: End) {
        self.let_go(end);
        self.confirm_dead();
    }
}

/// Forks real children.
#[derive(Clone, Copy, Debug)]
pub struct RealNursery;

impl Nursery for RealNursery {
    fn spawn(&self) -> Box<dyn GatedChild> {
        Box::new(RealChild::fork(birth::Birth::default()))
    }

    fn spawn_as(&self, pid: Pid) -> Box<dyn GatedChild> {
        Box::new(RealChild::fork(birth::Birth {
            pid: Some(pid),
            ..birth::Birth::default()
        }))
    }

    fn can_choose_pids(&self) -> Result<(), String> {
        permits::can_choose_pids()
    }
}

/// A real child.
#[derive(Debug)]
pub struct RealChild {
    pid: Pid,
    gate: OwnedFd,
    is_reaped: bool,
}

impl RealChild {
    pub(crate) fn fork(birth: birth::Birth) -> Self {
        Self::try_fork(birth).expect("a forked child")
    }

    /// The kernel reaps a child by itself. As soon as its number is free, forks a child with
    /// that number. That is a little after `waitid` answers `ECHILD`.
    pub(crate) fn fork_once_free(pid: Pid) -> Self {
        let birth = birth::Birth {
            pid: Some(pid),
            ..birth::Birth::default()
        };
        let mut forked = None;
        deadline::until("the number is free", || {
            match Self::try_fork(birth) {
                Ok(child) => forked = Some(child),
                Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {}
                Err(error) => panic!("a forked child: {error}"),
            }
            forked.is_some()
        });
        forked.expect("`until` has waited for it")
    }

    /// Leaves the child to the next program that this process executes: its number, and its
    /// gate, which stays open then.
    pub(crate) fn leave(self) -> (Pid, OwnedFd) {
        let mut this = self;
        this.is_reaped = true;
        let gate = this.gate.try_clone().expect("a descriptor");
        fcntl_setfd(&gate, FdFlags::empty()).expect("any descriptor may stay open");
        (this.pid, gate)
    }

    /// A child that an earlier image of this process has [left](Self::leave).
    pub(crate) fn inherited(pid: Pid, gate: OwnedFd) -> Self {
        fcntl_setfd(&gate, FdFlags::CLOEXEC).expect("any descriptor may be closed");
        RealChild {
            pid,
            gate,
            is_reaped: false,
        }
    }

    fn try_fork(birth: birth::Birth) -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe for a child's gate");
        Ok(RealChild {
            pid: birth::fork_gated(birth, &read)?,
            gate: write,
            is_reaped: false,
        })
    }
}

impl GatedChild for RealChild {
    fn pid(&self) -> Pid {
        self.pid
    }

    fn let_go(&self, end: End) {
        let order = match end {
            End::Code(code) => [0, code],
            End::Signal(signal) => [1, signal],
        };
        // EPIPE: it is dead already, which the case will see.
        let _ = rustix::io::write(&self.gate, &order);
    }

    fn confirm_dead(&self) {
        death::confirm_dead(self.pid);
    }

    fn is_real(&self) -> bool {
        true
    }

    fn reap(&mut self) -> Option<ExitStatus> {
        self.is_reaped = true;
        death::reap(self.pid)
    }
}

impl Drop for RealChild {
    fn drop(&mut self) {
        if self.is_reaped {
            return;
        }
        // Not reaped here does not mean not reaped: look whether the number is
        // still a child of ours before killing it.
        if death::is_child(self.pid) {
            death::kill(self.pid);
            self.reap();
        }
    }
}

/// Hands out simulated processes.
#[derive(Clone, Debug)]
pub struct SimulatedNursery(pub SimulatedProcesses);

impl Nursery for SimulatedNursery {
    fn spawn(&self) -> Box<dyn GatedChild> {
        self.child(self.0.spawn())
    }

    fn spawn_as(&self, pid: Pid) -> Box<dyn GatedChild> {
        assert!(self.0.spawn_with_pid(pid), "the number {pid} is taken");
        self.child(pid)
    }

    fn can_choose_pids(&self) -> Result<(), String> {
        Ok(())
    }
}

impl SimulatedNursery {
    /// Each signal ends it, as the default action of most signals does.
    fn child(&self, pid: Pid) -> Box<dyn GatedChild> {
        let processes = self.0.clone();
        processes.on_signal(pid, |processes, pid, signal| {
            processes.exit(pid, ExitStatus::from_raw(signal));
        });
        Box::new(SimulatedChild { pid, processes })
    }
}

#[derive(Debug)]
struct SimulatedChild {
    pid: Pid,
    processes: SimulatedProcesses,
}

impl GatedChild for SimulatedChild {
    fn pid(&self) -> Pid {
        self.pid
    }

    fn let_go(&self, end: End) {
        let status = match end {
            End::Code(code) => i32::from(code) << 8,
            End::Signal(signal) => i32::from(signal),
        };
        self.processes.exit(self.pid, ExitStatus::from_raw(status));
    }

    fn confirm_dead(&self) {}

    fn is_real(&self) -> bool {
        false
    }

    fn reap(&mut self) -> Option<ExitStatus> {
        self.processes.reap(self.pid)
    }
}
