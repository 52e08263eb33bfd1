//! [`TokioProcess`]: tokio's own child processes.

use anyhow::Context;
use childwatch_core::Pid;
use tokio::process::Command;
use tokio::runtime::Builder;

use super::candidate::{Awaiting, Candidate, Supervising, Watching};
use super::gated::{Gated, PROGRAM};
use super::names::TOKIO_PROCESS;
use super::runtime::{Executor, Runtime};
use crate::measuring::refused::Refused;
use crate::measuring::tally::Told;

pub(crate) struct TokioProcess;

impl Candidate for TokioProcess {
    fn name(&self) -> &'static str {
        TOKIO_PROCESS
    }

    fn watch_up_to(&self, _children: usize) -> anyhow::Result<Box<dyn Watching>> {
        let reason = "it reaps, and only children of its own: it has whole lives alone";
        Err(Refused(reason.to_owned()).into())
    }

    fn supervise(&self) -> anyhow::Result<Box<dyn Supervising>> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        Ok(Box::new(Supervisor(runtime)))
    }

    fn await_on(&self, runtime: Runtime) -> anyhow::Result<Box<dyn Awaiting>> {
        if runtime == Runtime::AsyncIo {
            return Err(Refused("it needs tokio".to_owned()).into());
        }
        Ok(Box::new(Children(Executor::start(runtime)?)))
    }
}

struct Children(Executor);

impl Awaiting for Children {
    fn start(&mut self, child: Gated, told: Told) -> anyhow::Result<Pid> {
        let mut command = Command::from(child.command());
        let mut child = self.0.enter(|| command.spawn())?;
        let number = child.id().context("a child that has been reaped")?;
        self.0
            .spawn(async move { told.tell(child.wait().await.ok()) });
        Ok(Pid::try_from(number)?)
    }
}

struct Supervisor(tokio::runtime::Runtime);

impl Supervising for Supervisor {
    fn one_life(&mut self) -> anyhow::Result<()> {
        let life = async { Command::new(PROGRAM).spawn()?.wait().await };
        self.0.block_on(life)?;
        Ok(())
    }
}
