//! [`ByPidWatcher`]: any [`PidWatcher`] as a candidate.

use childwatch_core::{Pid, PidWatcher, WatchError};

use super::candidate::{Awaiting, Candidate, Watching};
use super::driven::Futures;
use super::runtime::{Executor, Runtime};
use crate::measuring::limits::{self, Fds};
use crate::measuring::tally::Told;

/// Our own backends, and the design that they come from.
pub(crate) struct ByPidWatcher {
    pub(crate) name: &'static str,
    pub(crate) make: fn() -> Result<Box<dyn PidWatcher>, WatchError>,
    pub(crate) fds: Fds,
}

impl Candidate for ByPidWatcher {
    fn name(&self) -> &'static str {
        self.name
    }

    fn watch_up_to(&self, children: usize) -> anyhow::Result<Box<dyn Watching>> {
        limits::check(self.fds, children)?;
        Ok(Box::new(Watcher((self.make)()?)))
    }

    fn await_on(&self, runtime: Runtime) -> anyhow::Result<Box<dyn Awaiting>> {
        let watcher = (self.make)()?;
        let executor = Executor::start(runtime)?;
        Ok(Box::new(Futures { watcher, executor }))
    }
}

struct Watcher(Box<dyn PidWatcher>);

impl Watching for Watcher {
    fn watch(&mut self, child: Pid, told: Told) -> anyhow::Result<()> {
        self.0
            .watch(child, Box::new(move |exit| told.tell(exit.status())))?;
        Ok(())
    }
}
