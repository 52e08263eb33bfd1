//! [`AsyncFdWithStatus`]: a task that awaits a bare pidfd, and then asks for the status.
//!
//! This is the least that a task can do to learn of an exit and its status: the floor of the
//! rows of tasks.

use std::os::fd::AsFd;

use anyhow::Context;
use childwatch_core::Pid;
use rustix::process::{PidfdFlags, pidfd_open};

use super::candidate::{Awaiting, Candidate, Watching};
use super::gated::Gated;
use super::names::ASYNC_FD;
use super::runtime::{Executor, Runtime};
use super::status;
use crate::measuring::refused::Refused;
use crate::measuring::tally::Told;

pub(crate) struct AsyncFdWithStatus;

impl Candidate for AsyncFdWithStatus {
    fn name(&self) -> &'static str {
        ASYNC_FD
    }

    fn watch_up_to(&self, _children: usize) -> anyhow::Result<Box<dyn Watching>> {
        Err(Refused("it is a task, and no watcher".to_owned()).into())
    }

    fn await_on(&self, runtime: Runtime) -> anyhow::Result<Box<dyn Awaiting>> {
        Ok(Box::new(Executor::start(runtime)?))
    }
}

impl Awaiting for Executor {
    fn start(&mut self, child: Gated, told: Told) -> anyhow::Result<Pid> {
        let child = child.spawn()?;
        let number = rustix::process::Pid::from_raw(child.as_raw()).context("a pid of zero")?;
        let mut pidfd = self.poll(pidfd_open(number, PidfdFlags::empty())?)?;
        self.spawn(async move {
            if pidfd.readable().await.is_ok() {
                told.tell(status::ask(pidfd.as_fd()));
            }
        });
        Ok(child)
    }
}
