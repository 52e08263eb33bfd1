//! [`SimulatedSource`] and [`PollableSimulatedSource`]: how a watcher observes the processes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, PoisonError};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use super::inbox::{Armed, Inbox, lock};
use super::processes::{SimulatedProcesses, Table, Watched};
use crate::contract::error::WatchError;
use crate::contract::pid::Pid;
use crate::platform::sync::Mutex;
use crate::source::descriptors::make_descriptor;
use crate::source::exit_source::ExitSource;
use crate::source::pollable::PollableSource;
use crate::source::report::Report;
use crate::source::token::Token;

#[derive(Debug)]
pub(crate) struct SimulatedSource {
    table: Arc<Mutex<Table>>,
    inbox: Arc<Inbox>,
}

impl SimulatedSource {
    pub(crate) fn new(processes: &SimulatedProcesses) -> Self {
        Self::with_inbox(processes, Inbox::default())
    }

    fn with_inbox(processes: &SimulatedProcesses, inbox: Inbox) -> Self {
        SimulatedSource {
            table: Arc::clone(&processes.0),
            inbox: Arc::new(inbox),
        }
    }
}

impl ExitSource for SimulatedSource {
    type Waiter = ();

    const THREAD_NAME: &'static str = "childwatch-sim";

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        let mut table = lock(&self.table);
        if let Some(refusal) = table.refusals.remove(&pid) {
            return Err(refusal);
        }
        let Some(process) = table.by_pid.get_mut(&pid) else {
            return Err(absent(pid));
        };
        process.watched.push(Watched {
            token,
            inbox: Arc::clone(&self.inbox),
        });
        let armed = Armed {
            pid,
            birth: process.birth,
            has_exited: false,
            status: None,
            usage: None,
        };
        lock(&self.inbox.mail).armed.insert(token, armed);
        if process.status.is_some() {
            let report = Report::new(token, process.status);
            self.inbox
                .put(report.with_resource_usage(process.usage.map(Box::new)));
        }
        Ok(())
    }

    fn disarm(&self, token: Token) {
        let armed = lock(&self.inbox.mail).armed.remove(&token);
        let Some(Armed { pid, birth, .. }) = armed else {
            return;
        };
        let mut table = lock(&self.table);
        if let Some(process) = table.by_pid.get_mut(&pid) {
            if process.birth == birth {
                process.forget(&self.inbox, |watched| watched == token);
            }
        }
    }

    fn is_reaped(&self, token: Token) -> bool {
        let armed = lock(&self.inbox.mail).armed.get(&token).copied();
        let table = lock(&self.table);
        armed.is_none_or(|Armed { pid, birth, .. }| {
            table
                .by_pid
                .get(&pid)
                .is_none_or(|process| process.birth != birth)
        })
    }

    fn look(&self, token: Token) -> Option<Report> {
        let armed = *lock(&self.inbox.mail).armed.get(&token)?;
        let usage = armed.usage.map(Box::new);
        let report = Report::new(token, armed.status).with_resource_usage(usage);
        armed.has_exited.then_some(report)
    }

    fn send_signal(&self, pid: Pid, token: Token, signal: i32) -> Result<(), WatchError> {
        let armed = lock(&self.inbox.mail).armed.get(&token).copied();
        let Armed { birth, .. } = armed.ok_or(WatchError::NotRegistered { pid })?;
        SimulatedProcesses(Arc::clone(&self.table)).send_signal(pid, birth, signal)
    }

    fn wait(&self, _waiter: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        let mut mail = lock(&self.inbox.mail);
        while mail.reports.is_empty() && !mail.is_woken {
            mail = self
                .inbox
                .came
                .wait(mail)
                .unwrap_or_else(PoisonError::into_inner);
        }
        mail.is_woken = false;
        reports.append(&mut mail.reports);
        Ok(())
    }

    fn wake(&self) -> io::Result<()> {
        lock(&self.inbox.mail).is_woken = true;
        self.inbox.ring()
    }
}

/// The source of a watcher without a thread: see [`SimulatedWatcher::driven`](crate::SimulatedWatcher::driven).
#[derive(Debug)]
pub struct PollableSimulatedSource {
    source: SimulatedSource,
    bell: Arc<OwnedFd>,
}

impl PollableSimulatedSource {
    /// For tests of the laws. [`SimulatedWatcher::driven`](crate::SimulatedWatcher::driven) is for
    /// programs.
    #[doc(hidden)]
    pub fn new(processes: &SimulatedProcesses) -> Result<Self, WatchError> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let bell = Arc::new(make_descriptor("eventfd2", || eventfd(0, flags))?);
        let inbox = Inbox {
            bell: Some(Arc::clone(&bell)),
            ..Inbox::default()
        };
        let source = SimulatedSource::with_inbox(processes, inbox);
        Ok(PollableSimulatedSource { source, bell })
    }

    /// Holds up whoever takes or brings mail.
    #[cfg(test)]
    pub(super) fn hold_up(&self) -> impl Sized + '_ {
        lock(&self.source.inbox.mail)
    }
}

impl ExitSource for PollableSimulatedSource {
    type Waiter = ();

    const THREAD_NAME: &'static str = SimulatedSource::THREAD_NAME;

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        self.source.arm(pid, token)
    }

    fn disarm(&self, token: Token) {
        self.source.disarm(token);
    }

    fn is_reaped(&self, token: Token) -> bool {
        self.source.is_reaped(token)
    }

    fn look(&self, token: Token) -> Option<Report> {
        self.source.look(token)
    }

    fn send_signal(&self, pid: Pid, token: Token, signal: i32) -> Result<(), WatchError> {
        self.source.send_signal(pid, token, signal)
    }

    fn wait(&self, waiter: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        self.source.wait(waiter, reports)
    }

    fn wake(&self) -> io::Result<()> {
        self.source.wake()
    }
}

impl PollableSource for PollableSimulatedSource {
    fn descriptor<'a>(&'a self, _waiter: &'a ()) -> BorrowedFd<'a> {
        self.bell.as_fd()
    }

    fn collect(&self, _waiter: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        // First the bell: what comes after this rings it again.
        match rustix::io::read(&self.bell, &mut [0; 8]) {
            Ok(_) | Err(Errno::AGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut mail = lock(&self.source.inbox.mail);
        mail.is_woken = false;
        reports.append(&mut mail.reports);
        Ok(())
    }
}

/// The error for a pid that no simulated process has. A real watcher refuses the pid of its own
/// process by another error, so this one does too.
fn absent(pid: Pid) -> WatchError {
    if pid.as_raw().unsigned_abs() == std::process::id() {
        WatchError::OwnProcess { pid }
    } else {
        WatchError::NoSuchProcess { pid, source: None }
    }
}

impl Drop for SimulatedSource {
    fn drop(&mut self) {
        for process in lock(&self.table).by_pid.values_mut() {
            process.forget(&self.inbox, |_| true);
        }
    }
}
