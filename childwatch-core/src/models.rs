//! What the contract promises of threads, model by model, in every interleaving.
//!
//! Each model drives a whole watcher, thread and all: `ThreadedWatcher` over simulated
//! processes, or over a [`Source`](source::Source) that refuses and fails as a model
//! wishes. Only the types below it are loom's ([`sync`](crate::sync)). A callback that
//! never comes, and a wait that nobody ends, are deadlocks to loom, which ends the model.
//!
//! Where a race has several outcomes, a model checks too that it has met them all.

mod cancelling;
mod dropping;
mod failing;
mod fallback;
mod future;
mod identity;
mod registering;
mod source;
mod trace;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};

use loom::thread::{self, JoinHandle};

use crate::{Pid, SimulatedProcesses, SimulatedWatcher};

/// Some processes and a watcher of them.
fn stage() -> (SimulatedProcesses, Arc<SimulatedWatcher>) {
    let processes = SimulatedProcesses::new();
    let watcher = SimulatedWatcher::new(&processes).unwrap();
    (processes, Arc::new(watcher))
}

/// Begins a thread in which the process exits.
fn begin_exit(processes: &SimulatedProcesses, pid: Pid) -> JoinHandle<()> {
    let processes = processes.clone();
    thread::spawn(move || assert!(processes.exit(pid, status(0))))
}

fn status(code: i32) -> ExitStatus {
    ExitStatus::from_raw(code << 8)
}

/// What was met in any of the interleavings. Not a part of the model: loom does not see
/// it.
#[derive(Clone)]
struct Met<T>(Arc<Mutex<BTreeSet<T>>>);

impl<T: Ord + Debug> Met<T> {
    fn new() -> Self {
        Met(Arc::default())
    }

    fn note(&self, outcome: T) {
        self.0.lock().unwrap().insert(outcome);
    }

    /// Each of these, and nothing else.
    #[track_caller]
    fn assert<const N: usize>(&self, expected: [T; N]) {
        assert_eq!(*self.0.lock().unwrap(), BTreeSet::from(expected));
    }
}
