//! The workspace's own backends, as the suite sees them.

use childwatch_core::{PidWatcher, SimulatedProcesses, SimulatedWatcher, WatchError};
use childwatch_pidfd::PidfdWatcher;

use crate::backend::{BackendUnderTest, Need};
use crate::child::{Nursery, SimulatedNursery};

/// Every backend of this workspace.
pub static ALL: &[&dyn BackendUnderTest] = &[&Pidfd, &Simulated];

/// `childwatch-pidfd`.
#[derive(Clone, Copy, Debug)]
pub struct Pidfd;

impl BackendUnderTest for Pidfd {
    fn name(&self) -> &'static str {
        "pidfd"
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        Ok(Box::new(PidfdWatcher::new()?))
    }

    fn is_available(&self) -> Result<(), String> {
        let verdict = childwatch_pidfd::probe().verdict();
        verdict.map_err(|error| describe(&error))
    }

    fn offers(&self, _need: Need) -> Result<(), String> {
        Ok(())
    }
}

/// An error and what it came from, in one line.
fn describe(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// `SimulatedWatcher` of `childwatch-core`.
#[derive(Clone, Copy, Debug)]
pub struct Simulated;

impl Simulated {
    /// One process table for all watchers: a cell is a process of its own.
    fn processes() -> &'static SimulatedProcesses {
        static PROCESSES: std::sync::OnceLock<SimulatedProcesses> = std::sync::OnceLock::new();
        PROCESSES.get_or_init(SimulatedProcesses::new)
    }
}

impl BackendUnderTest for Simulated {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        Ok(Box::new(SimulatedWatcher::new(Self::processes())?))
    }

    fn offers(&self, need: Need) -> Result<(), String> {
        match need {
            Need::NoSignalHandler => Ok(()),
            _ => Err("its processes exist only in memory".to_owned()),
        }
    }

    fn nursery(&self) -> Box<dyn Nursery> {
        Box::new(SimulatedNursery(Self::processes().clone()))
    }
}
