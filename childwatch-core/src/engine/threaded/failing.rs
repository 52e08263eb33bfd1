//! The engine over a source whose calls fail.

use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use std::io;
use std::sync::Arc;

use super::*;
use crate::contract::callback::{Unregistered, WatchHandle};
use crate::contract::error::WatchError;
use crate::contract::pid::Pid;
use crate::contract::stats::WatcherStats;
use crate::contract::watcher::PidWatcher;
use crate::engine::registry::Cancelled;
use crate::source::report::Report;
use crate::source::token::Token;
use crate::wait::ext::PidWatcherExt;
use crate::watchers::simulated::SimulatedProcesses;
use crate::watchers::simulated::SimulatedSource;

mod cancelling;
mod disarming;
mod ended;
mod waits;

pub(super) const LONG: Duration = Duration::from_secs(60);

/// A source whose calls can be made to fail a number of times.
#[derive(Debug)]
pub(super) struct Failing {
    source: SimulatedSource,
    interruptions: AtomicUsize,
    waits: AtomicUsize,
    /// So many waits add their reports and then fail.
    waits_with_reports: AtomicUsize,
    /// So many waits end at once. Every second one fails.
    alternations: AtomicUsize,
    pub(super) wakes: AtomicUsize,
    /// The calls that panic.
    panics: Mutex<Vec<&'static str>>,
    /// Where each disarming announces itself, and waits.
    gate: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
}

impl Failing {
    fn new(processes: &SimulatedProcesses) -> Self {
        Failing {
            source: SimulatedSource::new(processes),
            interruptions: AtomicUsize::new(0),
            waits: AtomicUsize::new(0),
            waits_with_reports: AtomicUsize::new(0),
            alternations: AtomicUsize::new(0),
            wakes: AtomicUsize::new(0),
            panics: Mutex::default(),
            gate: Mutex::default(),
        }
    }

    /// Makes a call panic from now on.
    pub(super) fn panic_in(&self, call: &'static str) {
        self.panics.lock().unwrap().push(call);
    }

    fn panic_if_asked(&self, call: &'static str) {
        let is_asked = self.panics.lock().unwrap().contains(&call);
        if is_asked {
            // Without the hook's message.
            resume_unwind(Box::new(call));
        }
    }

    fn fails(times: &AtomicUsize) -> bool {
        Failing::count_down(times).is_some()
    }

    /// Returns how many were left, if any.
    fn count_down(times: &AtomicUsize) -> Option<usize> {
        let order = Ordering::SeqCst;
        let left = times.fetch_update(order, order, |left| left.checked_sub(1));
        left.ok()
    }
}

impl ExitSource for Failing {
    type Waiter = ();

    const THREAD_NAME: &'static str = "failing";

    fn start(&self, _waiter: &mut ()) {
        self.panic_if_asked("start");
    }

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        self.panic_if_asked("arm");
        self.source.arm(pid, token)
    }

    fn disarm(&self, token: Token) {
        self.panic_if_asked("disarm");
        if let Some((reached, gate)) = &*self.gate.lock().unwrap() {
            reached.send(()).unwrap();
            let _ = gate.recv();
        }
        self.source.disarm(token);
    }

    fn pid_of(&self, pidfd: BorrowedFd<'_>) -> Result<Pid, WatchError> {
        self.panic_if_asked("pid_of");
        self.source.pid_of(pidfd)
    }

    fn is_reaped(&self, token: Token) -> bool {
        self.source.is_reaped(token)
    }

    fn look(&self, token: Token) -> Option<Report> {
        self.source.look(token)
    }

    fn add_stats(&self, _: &mut WatcherStats) {
        self.panic_if_asked("add_stats");
    }

    fn wait(&self, waiter: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        self.panic_if_asked("wait");
        if Failing::fails(&self.interruptions) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if Failing::fails(&self.waits) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        match Failing::count_down(&self.alternations) {
            Some(left) if left % 2 == 0 => return Err(io::ErrorKind::OutOfMemory.into()),
            Some(_) => return Ok(()),
            None => {}
        }
        self.source.wait(waiter, reports)?;
        if !reports.is_empty() && Failing::fails(&self.waits_with_reports) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(())
    }

    fn wake(&self) -> io::Result<()> {
        self.panic_if_asked("wake");
        if Failing::fails(&self.wakes) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.source.wake()
    }
}

pub(super) fn watcher(processes: &SimulatedProcesses) -> ThreadedWatcher<Failing> {
    ThreadedWatcher::start(Failing::new(processes), ()).unwrap()
}

pub(super) fn exit(processes: &SimulatedProcesses, pid: Pid) {
    assert!(processes.exit(pid, ExitStatus::from_raw(0)));
}
