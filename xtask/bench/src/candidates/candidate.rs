//! [`Candidate`]: a way of hearing of exits.

use childwatch_core::Pid;

use crate::measuring::tally::{Tally, Told};

/// A way of hearing of exits, to be measured beside the others.
pub(crate) trait Candidate: Sync {
    /// A short name, for tables and the command line.
    fn name(&self) -> &'static str;

    /// Begins to watch: nothing yet, and so many children later.
    ///
    /// [`Refused`] as the error says why it can't take part.
    fn watch_up_to(&self, children: usize) -> anyhow::Result<Box<dyn Watching>>;

    /// Begins to spawn children and hear of their exits. Those that can do nothing else
    /// than this have it of their own.
    fn supervise(&self) -> anyhow::Result<Box<dyn Supervising>> {
        let watching = self.watch_up_to(1)?;
        Ok(Box::new(SpawnAndWatch { watching }))
    }
}

/// A candidate at work. Dropping it ends the watch: nothing more is told.
pub(crate) trait Watching {
    /// Has `told` told once, when the child has exited, without reaping it.
    fn watch(&mut self, child: Pid, told: Told) -> anyhow::Result<()>;
}

/// A candidate that has children of its own.
pub(crate) trait Supervising {
    /// Spawns a program that ends at once, hears of its exit, and reaps it.
    fn one_life(&mut self) -> anyhow::Result<()>;
}

/// A program that ends at once.
pub(crate) const PROGRAM: &str = "/bin/true";

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
