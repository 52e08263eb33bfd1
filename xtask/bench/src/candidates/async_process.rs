//! [`AsyncProcess`]: the crate `async-process`, of smol.

use async_process::Command;
use childwatch_core::Pid;

use super::candidate::{Awaiting, Candidate, Supervising, Watching};
use super::gated::{Gated, PROGRAM};
use super::names::ASYNC_PROCESS;
use super::runtime::{Executor, Runtime};
use crate::measuring::refused::Refused;
use crate::measuring::tally::Told;

pub(crate) struct AsyncProcess;

impl Candidate for AsyncProcess {
    fn name(&self) -> &'static str {
        ASYNC_PROCESS
    }

    fn watch_up_to(&self, _children: usize) -> anyhow::Result<Box<dyn Watching>> {
        let reason = "it reaps, and only children of its own: it has whole lives alone";
        Err(Refused(reason.to_owned()).into())
    }

    fn supervise(&self) -> anyhow::Result<Box<dyn Supervising>> {
        Ok(Box::new(Supervisor))
    }

    fn await_on(&self, runtime: Runtime) -> anyhow::Result<Box<dyn Awaiting>> {
        Ok(Box::new(Children(Executor::start(runtime)?)))
    }
}

struct Children(Executor);

impl Awaiting for Children {
    fn start(&mut self, child: Gated, told: Told) -> anyhow::Result<Pid> {
        let mut child = Command::from(child.command()).spawn()?;
        let number = child.id();
        self.0
            .spawn(async move { told.tell(child.status().await.ok()) });
        Ok(Pid::try_from(number)?)
    }
}

struct Supervisor;

impl Supervising for Supervisor {
    fn one_life(&mut self) -> anyhow::Result<()> {
        async_io::block_on(async { Command::new(PROGRAM).spawn()?.status().await })?;
        Ok(())
    }
}
