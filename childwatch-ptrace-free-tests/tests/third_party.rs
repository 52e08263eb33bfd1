//! The suite as somebody takes it who tests a backend of their own: a type that implements
//! [`BackendUnderTest`], and one line.

#![forbid(unsafe_code)]

use std::sync::OnceLock;

use childwatch_core::{PidWatcher, SimulatedProcesses, SimulatedWatcher, WatchError};
use childwatch_ptrace_free_tests::kit::child::{Nursery, SimulatedNursery};
use childwatch_ptrace_free_tests::{BackendUnderTest, Feature, conformance_main};

struct Own;

impl Own {
    /// One table of processes for all watchers of a cell.
    fn processes() -> &'static SimulatedProcesses {
        static PROCESSES: OnceLock<SimulatedProcesses> = OnceLock::new();
        PROCESSES.get_or_init(SimulatedProcesses::new)
    }
}

impl BackendUnderTest for Own {
    fn name(&self) -> &'static str {
        "own"
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        Ok(Box::new(SimulatedWatcher::new(Own::processes())?))
    }

    fn offers(&self, feature: Feature) -> Result<(), String> {
        match feature {
            Feature::NoSignalHandler => Ok(()),
            _ => Err("its processes exist only in memory".to_owned()),
        }
    }

    fn nursery(&self) -> Box<dyn Nursery> {
        Box::new(SimulatedNursery(Own::processes().clone()))
    }
}

conformance_main!(Own);
