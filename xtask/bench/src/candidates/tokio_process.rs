//! [`TokioProcess`]: tokio's own child processes.

use tokio::process::Command;
use tokio::runtime::{Builder, Runtime};

use super::candidate::{Candidate, PROGRAM, Supervising, Watching};
use crate::measuring::refused::Refused;

pub(crate) struct TokioProcess;

impl Candidate for TokioProcess {
    fn name(&self) -> &'static str {
        "tokio::process"
    }

    fn watch_up_to(&self, _children: usize) -> anyhow::Result<Box<dyn Watching>> {
        let reason = "it reaps, and only children of its own: it has whole lives alone";
        Err(Refused(reason.to_owned()).into())
    }

    fn supervise(&self) -> anyhow::Result<Box<dyn Supervising>> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        Ok(Box::new(Supervisor(runtime)))
    }
}

struct Supervisor(Runtime);

impl Supervising for Supervisor {
    fn one_life(&mut self) -> anyhow::Result<()> {
        let life = async { Command::new(PROGRAM).spawn()?.wait().await };
        self.0.block_on(life)?;
        Ok(())
    }
}
