//! The simulator: a worker thread for each managed process, which answers its
//! system calls.
//!
//! # Why it needs a watcher
//!
//! A worker blocks on its process's [`Channel`]. If the process dies, the channel stays open,
//! and the worker would wait for ever for a call that never comes. So:
//!
//! 1. The process exits for any reason, and is a zombie.
//! 2. The watcher's callback closes the channel.
//! 3. The worker takes the calls that were still in the channel, and finds it closed.
//! 4. The worker reaps the process, which cannot block after step 1.

use std::fmt;
use std::io;
use std::panic;
use std::process::ExitStatus;
use std::thread;

use anyhow::Context;
use childwatch_pidfd::{Pid, PidWatcher, PidWatcherExt};

use crate::channel::Channel;

/// The call with which a process announces that it exits on purpose.
const EXIT: &str = "exit";

/// A process under the simulator's control. It may exist only in memory.
pub(crate) trait ManagedProcess: Send {
    fn name(&self) -> &str;

    fn pid(&self) -> Pid;

    fn channel(&self) -> &Channel;

    /// Reaps the process, which has exited, and returns its status.
    fn reap(&mut self) -> io::Result<ExitStatus>;
}

/// Runs the processes until they have exited. Returns the outcome of each, in the same order.
pub(crate) fn simulate(
    watcher: &dyn PidWatcher,
    processes: Vec<Box<dyn ManagedProcess>>,
) -> anyhow::Result<Vec<Fate>> {
    for process in &processes {
        close_on_exit(watcher, process.as_ref())?;
    }
    thread::scope(|scope| {
        let workers: Vec<_> = processes
            .into_iter()
            .map(|process| scope.spawn(|| manage(process)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|p| panic::resume_unwind(p)))
            .collect()
    })
}

fn close_on_exit(watcher: &dyn PidWatcher, process: &dyn ManagedProcess) -> anyhow::Result<()> {
    let channel = process.channel().clone();
    watcher
        .on_exit(process.pid(), move |_exit| channel.close())
        .with_context(|| format!("cannot watch {}", process.name()))?;
    Ok(())
}

/// A worker's life.
fn manage(mut process: Box<dyn ManagedProcess>) -> anyhow::Result<Fate> {
    let calls =
        serve(process.channel()).with_context(|| format!("cannot talk with {}", process.name()))?;
    let status = process
        .reap()
        .with_context(|| format!("cannot reap {}", process.name()))?;
    Ok(Fate {
        name: process.name().to_owned(),
        pid: process.pid(),
        calls,
        status,
    })
}

fn serve(channel: &Channel) -> io::Result<Vec<String>> {
    channel
        .calls()
        .map(|call| call.and_then(|call| channel.answer().map(|()| call)))
        .collect()
}

/// The outcome of a process.
#[derive(Debug)]
pub(crate) struct Fate {
    name: String,
    pid: Pid,
    calls: Vec<String>,
    status: ExitStatus,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Normal,
    Unexpected,
}

impl Fate {
    pub(crate) fn ending(&self) -> Ending {
        match (self.calls.last().map(String::as_str), self.status.code()) {
            (Some(EXIT), Some(_code)) => Ending::Normal,
            _ => Ending::Unexpected,
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = match self.ending() {
            Ending::Normal => "exited normally",
            Ending::Unexpected => "died unexpectedly",
        };
        let calls = match self.calls.as_slice() {
            [] => "nothing".to_owned(),
            calls => calls.join(", "),
        };
        let Fate {
            name, pid, status, ..
        } = self;
        write!(
            f,
            "process {pid} ({name}) called {calls}, then {ending}: {status}"
        )
    }
}
