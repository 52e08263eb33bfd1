//! [`Candidate`]: a way to learn of exits.

use childwatch_core::Pid;

use super::gated::{Gated, PROGRAM};
use super::runtime::Runtime;
use crate::measuring::refused::Refused;
use crate::measuring::tally::{Tally, Told};

/// A way to learn of exits, which is compared with the others.
pub(crate) trait Candidate: Sync {
    /// The name in tables and on the command line.
    fn name(&self) -> &'static str;

    /// Creates a watch of at most this many children, without any yet.
    ///
    /// If the candidate cannot take part, the error is [`Refused`].
    fn watch_up_to(&self, children: usize) -> anyhow::Result<Box<dyn Watching>>;

    /// Creates a supervisor of children. A candidate that can only supervise children of its
    /// own overrides this method.
    fn supervise(&self) -> anyhow::Result<Box<dyn Supervising>> {
        let watching = self.watch_up_to(1)?;
        Ok(Box::new(SpawnAndWatch { watching }))
    }

    /// Starts a runtime whose tasks await exits. If the candidate has no tasks, the error is
    /// [`Refused`].
    fn await_on(&self, _runtime: Runtime) -> anyhow::Result<Box<dyn Awaiting>> {
        Err(Refused("it has no tasks".to_owned()).into())
    }
}

/// The watch of a candidate. Dropping it ends the watch: no more exits are reported.
pub(crate) trait Watching {
    /// Calls `told` once when the child has exited, without reaping it.
    fn watch(&mut self, child: Pid, told: Told) -> anyhow::Result<()>;
}

/// A candidate with children of its own.
pub(crate) trait Supervising {
    /// Spawns a program that exits at once, waits until its exit is reported, and reaps it.
    fn one_life(&mut self) -> anyhow::Result<()>;
}

/// A candidate with tasks. Dropping it ends the tasks.
pub(crate) trait Awaiting {
    /// Starts a child, and a task that awaits its exit and then calls `told`. The candidate may
    /// reap the child.
    fn start(&mut self, child: Gated, told: Told) -> anyhow::Result<Pid>;
}

struct SpawnAndWatch {
    watching: Box<dyn Watching>,
}

impl Supervising for SpawnAndWatch {
    fn one_life(&mut self) -> anyhow::Result<()> {
        let mut child = std::process::Command::new(PROGRAM).spawn()?;
        let tally = Tally::of(1);
        self.watching.watch((&child).into(), tally.told(0))?;
        tally.wait()?;
        child.wait()?;
        Ok(())
    }
}
