//! [`AsyncProcess`]: the crate `async-process`, of smol.

use async_process::Command;

use super::candidate::{Candidate, PROGRAM, Supervising, Watching};
use crate::measuring::refused::Refused;

pub(crate) struct AsyncProcess;

impl Candidate for AsyncProcess {
    fn name(&self) -> &'static str {
        "async-process"
    }

    fn watch_up_to(&self, _children: usize) -> anyhow::Result<Box<dyn Watching>> {
        let reason = "it reaps, and only children of its own: it has whole lives alone";
        Err(Refused(reason.to_owned()).into())
    }

    fn supervise(&self) -> anyhow::Result<Box<dyn Supervising>> {
        Ok(Box::new(Supervisor))
    }
}

struct Supervisor;

impl Supervising for Supervisor {
    fn one_life(&mut self) -> anyhow::Result<()> {
        async_io::block_on(async { Command::new(PROGRAM).spawn()?.status().await })?;
        Ok(())
    }
}
