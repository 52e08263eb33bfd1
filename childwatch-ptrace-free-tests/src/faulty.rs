//! [`Faulty`]: a watcher that is right, save now and then. So that the random programs and
//! the soak are known to find what they look for.
//!
//! It stands before a real watcher, and does each of its [`Fault`]s by what it passes on.
//! (A watcher that runs one callback twice is not among them: who calls an `FnOnce` has
//! it no more, so safe code can't be wrong in that way.)

use std::collections::HashMap;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use childwatch_core::{Exit, ExitCallback, Pid, PidWatcher, Unregistered, WatchError, WatchHandle};
use rustix::fd::{AsFd, OwnedFd};

use crate::backend::{BackendUnderTest, Need};
use crate::backends::Pidfd;
use crate::child::Nursery;
use crate::sys;

/// The pidfd backend, with one fault.
#[derive(Clone, Copy, Debug)]
pub struct Faulty {
    /// Which.
    pub fault: Fault,
    /// How rarely: in one call, or callback, of so many.
    pub every: usize,
}

/// What a faulty watcher does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It drops a report: the callback is never run.
    Loses,
    /// It answers that a callback will not run, and runs it.
    IgnoresCancel,
    /// It tells of an exit when it is asked to watch.
    TellsEarly,
    /// It tells a status that is made up.
    InventsStatus,
    /// It runs a process's last callback first.
    LastFirst,
    /// It reaps the child.
    Reaps,
    /// It leaves a file open.
    LeaksFiles,
    /// It keeps what a callback captured.
    LeaksCaptures,
    /// It says of a process that it is registered already.
    RefusesWrongly,
    /// It runs callbacks on other threads too.
    RunsElsewhere,
}

impl Fault {
    /// Every fault.
    pub const ALL: &[Fault] = &[
        Fault::Loses,
        Fault::IgnoresCancel,
        Fault::TellsEarly,
        Fault::InventsStatus,
        Fault::LastFirst,
        Fault::Reaps,
        Fault::LeaksFiles,
        Fault::LeaksCaptures,
        Fault::RefusesWrongly,
        Fault::RunsElsewhere,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Fault::Loses => "loses",
            Fault::IgnoresCancel => "ignores-cancel",
            Fault::TellsEarly => "tells-early",
            Fault::InventsStatus => "invents-status",
            Fault::LastFirst => "last-first",
            Fault::Reaps => "reaps",
            Fault::LeaksFiles => "leaks-files",
            Fault::LeaksCaptures => "leaks-captures",
            Fault::RefusesWrongly => "refuses-wrongly",
            Fault::RunsElsewhere => "runs-elsewhere",
        }
    }
}

/// One watcher for each fault, wrong in one of three calls: a random program is short.
pub static ALL: [Faulty; Fault::ALL.len()] = {
    let mut all = [Faulty {
        fault: Fault::Loses,
        every: 3,
    }; Fault::ALL.len()];
    let mut index = 0;
    while index < all.len() {
        all[index].fault = Fault::ALL[index];
        index += 1;
    }
    all
};

impl BackendUnderTest for Faulty {
    fn name(&self) -> &'static str {
        self.fault.name()
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        Ok(Box::new(FaultyWatcher {
            watcher: Pidfd.watcher()?,
            faulty: *self,
            calls: Arc::default(),
            waiting: Arc::default(),
        }))
    }

    fn is_available(&self) -> Result<(), String> {
        Pidfd.is_available()
    }

    fn offers(&self, need: Need) -> Result<(), String> {
        Pidfd.offers(need)
    }

    fn unit_of_start_times(&self) -> Duration {
        Pidfd.unit_of_start_times()
    }

    fn nursery(&self) -> Box<dyn Nursery> {
        Pidfd.nursery()
    }
}

struct FaultyWatcher {
    watcher: Box<dyn PidWatcher>,
    faulty: Faulty,
    calls: Arc<AtomicUsize>,
    /// For `LastFirst`: the callbacks of each number.
    waiting: Arc<Mutex<HashMap<Pid, Vec<ExitCallback>>>>,
}

impl fmt::Debug for FaultyWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.watcher.fmt(f)
    }
}

impl FaultyWatcher {
    /// Whether this is the time to be wrong in this way.
    fn errs(&self, fault: Fault) -> bool {
        let Faulty { every, .. } = self.faulty;
        self.faulty.fault == fault && self.calls.fetch_add(1, Ordering::SeqCst) % every == every - 1
    }

    /// What is passed on in the place of a callback.
    fn distort(&self, pid: Pid, callback: ExitCallback) -> ExitCallback {
        match self.faulty.fault {
            Fault::Loses if self.errs(Fault::Loses) => Box::new(move |_| drop(callback)),
            Fault::TellsEarly if self.errs(Fault::TellsEarly) => {
                callback(Exit::new(pid, Some(ExitStatus::from_raw(0))));
                Box::new(|_| {})
            }
            Fault::InventsStatus if self.errs(Fault::InventsStatus) => {
                let invented = Some(ExitStatus::from_raw(0));
                Box::new(move |exit| callback(Exit::new(exit.pid(), invented)))
            }
            Fault::LastFirst => {
                let waiting = Arc::clone(&self.waiting);
                let mut all = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                all.entry(pid).or_default().push(callback);
                drop(all);
                Box::new(move |exit| {
                    let mut all = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                    let last = all.get_mut(&pid).and_then(Vec::pop);
                    drop(all);
                    if let Some(callback) = last {
                        callback(exit);
                    }
                })
            }
            Fault::Reaps if self.errs(Fault::Reaps) => Box::new(move |exit| {
                if sys::is_waitable(pid) {
                    sys::reap(pid);
                }
                callback(exit);
            }),
            Fault::LeaksCaptures if self.errs(Fault::LeaksCaptures) => Box::new(move |exit| {
                std::mem::forget(callback);
                let _ = exit;
            }),
            Fault::RunsElsewhere if self.errs(Fault::RunsElsewhere) => Box::new(move |exit| {
                let elsewhere = std::thread::spawn(move || callback(exit));
                // Its panic is its own.
                let _ = elsewhere.join();
            }),
            _ => callback,
        }
    }
}

impl PidWatcher for FaultyWatcher {
    fn register_pid(&self, pid: Pid) -> Result<(), WatchError> {
        if self.errs(Fault::RefusesWrongly) {
            return Err(WatchError::AlreadyRegistered { pid });
        }
        self.watcher.register_pid(pid)
    }

    fn unregister_pid(&self, pid: Pid) {
        self.watcher.unregister_pid(pid);
    }

    fn register_callback(
        &self,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        let callback = self.distort(pid, callback);
        self.watcher.register_callback(pid, callback)
    }

    fn unregister_callback(&self, handle: WatchHandle) -> Unregistered {
        if self.errs(Fault::IgnoresCancel) {
            return Unregistered::WillNotRun;
        }
        self.watcher.unregister_callback(handle)
    }

    fn watch(&self, pid: Pid, callback: ExitCallback) -> Result<WatchHandle, WatchError> {
        if self.errs(Fault::LeaksFiles) {
            let left: Option<OwnedFd> = std::io::stderr().as_fd().try_clone_to_owned().ok();
            std::mem::forget(left);
        }
        let callback = self.distort(pid, callback);
        self.watcher.watch(pid, callback)
    }
}
