//! The stage of a model: simulated processes, a watcher, and the outcomes that were met.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};

use loom::thread::{self, JoinHandle};

use crate::contract::pid::Pid;
use crate::watchers::simulated::{SimulatedProcesses, SimulatedWatcher};

/// Some processes and a watcher of them.
pub(super) fn stage() -> (SimulatedProcesses, Arc<SimulatedWatcher>) {
    let processes = SimulatedProcesses::new();
    let watcher = SimulatedWatcher::new(&processes).unwrap();
    (processes, Arc::new(watcher))
}

/// Starts a thread in which the process exits.
pub(super) fn begin_exit(processes: &SimulatedProcesses, pid: Pid) -> JoinHandle<()> {
    let processes = processes.clone();
    thread::spawn(move || assert!(processes.exit(pid, status(0))))
}

pub(super) fn status(code: i32) -> ExitStatus {
    ExitStatus::from_raw(code << 8)
}

/// The outcomes of all interleavings so far. It is no part of the model: loom does not see it.
#[derive(Clone)]
pub(super) struct Met<T>(Arc<Mutex<BTreeSet<T>>>);

impl<T: Ord + Debug> Met<T> {
    pub(super) fn new() -> Self {
        Met(Arc::default())
    }

    pub(super) fn note(&self, outcome: T) {
        self.0.lock().unwrap().insert(outcome);
    }

    /// Asserts that each of these outcomes was met, and no other.
    #[track_caller]
    pub(super) fn assert<const N: usize>(&self, expected: [T; N]) {
        assert_eq!(*self.0.lock().unwrap(), BTreeSet::from(expected));
    }
}
