//! [`Inbox`]: what the processes leave for one watcher.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitStatus;
use std::sync::{Arc, PoisonError};

use crate::contract::pid::Pid;
use crate::contract::resource_usage::ResourceUsage;
use crate::platform::sync::{Condvar, Mutex, MutexGuard};
use crate::source::report::Report;
use crate::source::token::Token;

/// The mail for the watcher's thread, which waits for it.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) mail: Mutex<Mail>,
    pub(super) came: Condvar,
    /// Readable when mail has come since it was read last. `None` if a thread waits on `came`.
    pub(super) bell: Option<Arc<OwnedFd>>,
}

#[derive(Debug, Default)]
pub(super) struct Mail {
    pub(super) reports: Vec<Report>,
    pub(super) is_woken: bool,
    pub(super) armed: HashMap<Token, Armed>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Armed {
    pub(super) pid: Pid,
    pub(super) birth: u64,
    /// Set when the exit is reported, and kept when the process is reaped.
    pub(super) has_exited: bool,
    /// Set with `has_exited`.
    pub(super) status: Option<ExitStatus>,
    /// Set with `has_exited`.
    pub(super) usage: Option<ResourceUsage>,
}

impl Inbox {
    pub(super) fn put(&self, report: Report) {
        let mut mail = lock(&self.mail);
        if let Some(armed) = mail.armed.get_mut(&report.token) {
            armed.has_exited = true;
            armed.status = report.status;
            armed.usage = report.usage.as_deref().copied();
        }
        mail.reports.push(report);
        drop(mail);
        // Mail whose bell is refused by a sandbox is taken at the next look.
        let _ = self.ring();
    }

    pub(super) fn ring(&self) -> io::Result<()> {
        if let Some(bell) = &self.bell {
            rustix::io::write(bell, &1_u64.to_ne_bytes())?;
        }
        self.came.notify_one();
        Ok(())
    }
}

/// The lock of the table is taken before that of a mailbox, never after. No other lock is taken
/// under either, and no code that can panic runs there.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
