//! [`Processes`]: what the processes of a law are.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use childwatch_core::Pid;
use rustix::process::{PidfdFlags, pidfd_open};

use crate::kit::child::{GatedChild, Nursery};
use crate::kit::deadline;

/// Where a law takes its processes from.
pub(crate) struct Processes {
    pub(super) nursery: Box<dyn Nursery>,
    pub(super) unit_of_start_times: Duration,
}

impl Processes {
    pub(super) fn child(&self) -> Box<dyn GatedChild> {
        self.nursery.spawn()
    }

    pub(super) fn can_choose_pids(&self) -> Result<(), String> {
        self.nursery.can_choose_pids()
    }

    /// A pid's next process. A source without pidfds may take two of one unit for the same.
    pub(super) fn successor(&self, pid: Pid) -> Box<dyn GatedChild> {
        deadline::await_next(self.unit_of_start_times);
        self.nursery.spawn_as(pid)
    }
}

pub(super) fn pidfd_of(child: &dyn GatedChild) -> io::Result<OwnedFd> {
    let number = rustix::process::Pid::from_raw(child.pid().as_raw());
    let number = number.expect("a Pid is positive");
    Ok(pidfd_open(number, PidfdFlags::empty())?)
}
