//! Permitted oddities: watchers that do what the contract allows, and no watcher of this
//! workspace does.
//!
//! A case that such a watcher fails demands more than a clause promises. So each of them
//! must pass every case that it says it supports (`tests/odd.rs`). Above all the contract
//! promises no order among the exits of different processes, and no time within which an
//! exit is reported.
//!
//! Each is the real engine over a good source with one habit, made as the
//! [broken watchers](crate::broken) are.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use childwatch_core::source::{ExitSource, Report, Token};
use childwatch_core::{Pid, PidWatcher, WatchError};

use crate::backends::{Pidfd, Sigchld};
use crate::broken::source::{Good, SourceFault, over_pidfds, over_sigchld, until_reaped};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Feature;
use childwatch_ptrace_free_tests::kit::child::Nursery;
use childwatch_ptrace_free_tests::kit::locked::lock;

/// A watcher with a permitted oddity, as a backend.
#[derive(Clone, Copy)]
pub struct Odd {
    /// A short name. The list of tests and the command line use it.
    pub name: &'static str,
    /// Its habit, in a sentence.
    pub habit: &'static str,
    /// The good backend that it is made from, and offers the same as.
    pub built_on: &'static dyn BackendUnderTest,
    /// Its constructor.
    pub watcher: fn() -> Result<Box<dyn PidWatcher>, WatchError>,
    /// That of a watcher that tells reapings. It is called only if `built_on` has one.
    pub until_reaped: fn() -> Result<Box<dyn PidWatcher>, WatchError>,
}

/// Every watcher with a permitted oddity.
pub static ALL: &[Odd] = &[
    Odd {
        name: "last-exit-first",
        habit: "Of the exits that are pending, the last one is reported first.",
        built_on: &Pidfd,
        watcher: over_pidfds::<LastExitFirst>,
        until_reaped: until_reaped::<LastExitFirst>,
    },
    Odd {
        name: "every-second-late",
        habit: "Every second process's exit is reported 20 ms after those of the others.",
        built_on: &Pidfd,
        watcher: over_pidfds::<EverySecondLate>,
        until_reaped: until_reaped::<EverySecondLate>,
    },
    Odd {
        name: "one-exit-a-wait",
        habit: "Each exit is reported by a wait of its own.",
        built_on: &Pidfd,
        watcher: over_pidfds::<OneExitAWait>,
        until_reaped: until_reaped::<OneExitAWait>,
    },
    Odd {
        name: "wakes-for-nothing",
        habit: "Before a wait that has reports, one ends that has none.",
        built_on: &Pidfd,
        watcher: over_pidfds::<WakesForNothing>,
        until_reaped: until_reaped::<WakesForNothing>,
    },
    Odd {
        name: "repeats-itself",
        habit: "Each exit is reported three times, once among the next exits.",
        built_on: &Pidfd,
        watcher: over_pidfds::<RepeatsItself>,
        until_reaped: until_reaped::<RepeatsItself>,
    },
    Odd {
        name: "asks-before-it-watches",
        habit: "It registers a process only if `waitid` answers for a pidfd of it.",
        built_on: &Pidfd,
        watcher: over_pidfds::<AsksBeforeItWatches>,
        until_reaped: until_reaped::<AsksBeforeItWatches>,
    },
    Odd {
        name: "signals-every-second-late",
        habit: "The same as every-second-late, by signals.",
        built_on: &Sigchld,
        watcher: over_sigchld::<EverySecondLate>,
        until_reaped: || Sigchld.watcher_until_reaped(),
    },
];

/// The odd watchers, for [`take_part`](crate::front::take_part).
#[must_use]
pub fn backends() -> Vec<&'static dyn BackendUnderTest> {
    ALL.iter().map(|odd| odd as &dyn BackendUnderTest).collect()
}

impl BackendUnderTest for Odd {
    fn name(&self) -> &'static str {
        self.name
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        (self.watcher)()
    }

    fn watcher_with_usage(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        (self.watcher)()
    }

    fn watcher_until_reaped(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        (self.until_reaped)()
    }

    fn is_available(&self) -> Result<(), String> {
        self.built_on.is_available()
    }

    fn offers(&self, feature: Feature) -> Result<(), String> {
        self.built_on.offers(feature)
    }

    fn nursery(&self) -> Box<dyn Nursery> {
        self.built_on.nursery()
    }

    fn unit_of_start_times(&self) -> Duration {
        self.built_on.unit_of_start_times()
    }
}

impl std::fmt::Debug for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Odd").field(&self.name).finish()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "lateness is the oddity, and waits for nothing"
)]
fn be_late_by(time: Duration) {
    thread::sleep(time);
}

/// How long exits gather, to be reported together.
const GATHERING: Duration = Duration::from_millis(5);

#[derive(Debug, Default)]
struct LastExitFirst;

impl SourceFault for LastExitFirst {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        let mut before = 0;
        while reports.len() > before {
            before = reports.len();
            be_late_by(GATHERING);
            // It must not wait. A waking of somebody else's ends this wait too.
            good.wake()?;
            good.wait(waiter, reports)?;
        }
        reports.reverse();
        Ok(())
    }
}

/// How long the exit of every second process is held back.
const LATE: Duration = Duration::from_millis(20);

/// As if its exits came by another way, such as the second source of a `FallbackWatcher`.
#[derive(Debug, Default)]
struct EverySecondLate {
    armings: AtomicUsize,
    late: Mutex<HashSet<Token>>,
    held: Mutex<VecDeque<(Instant, Report)>>,
}

impl SourceFault for EverySecondLate {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        // The first one, which most cases watch, is late.
        let is_late = self.armings.fetch_add(1, Ordering::SeqCst) % 2 == 0;
        if is_late {
            lock(&self.late).insert(token);
        }
        good.arm(pid, token).inspect_err(|_| {
            lock(&self.late).remove(&token);
        })
    }

    fn disarm<S: ExitSource>(&self, good: &Good<S>, token: Token) {
        lock(&self.late).remove(&token);
        good.disarm(token);
    }

    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        let mut held = lock(&self.held);
        let mut waited = Ok(());
        if !held.is_empty() {
            be_late_by(Duration::from_millis(1));
            waited = good.wake();
        }
        let waited = waited.and_then(|()| good.wait(waiter, reports));
        let due = Instant::now() + LATE;
        let late = lock(&self.late);
        reports.retain(|report| {
            let is_late = late.contains(&report.token);
            if is_late {
                held.push_back((due, report.clone()));
            }
            !is_late
        });
        while held.front().is_some_and(|(due, _)| *due <= Instant::now()) {
            reports.extend(held.pop_front().map(|(_, report)| report));
        }
        waited
    }
}

#[derive(Debug, Default)]
struct OneExitAWait {
    pending: Mutex<VecDeque<Report>>,
}

impl SourceFault for OneExitAWait {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        let mut pending = lock(&self.pending);
        let mut waited = Ok(());
        if pending.is_empty() {
            let mut new = Vec::new();
            waited = good.wait(waiter, &mut new);
            pending.extend(new);
        }
        reports.extend(pending.pop_front());
        waited
    }
}

#[derive(Debug, Default)]
struct WakesForNothing {
    pending: Mutex<Vec<Report>>,
}

impl SourceFault for WakesForNothing {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        let mut pending = lock(&self.pending);
        if pending.is_empty() {
            return good.wait(waiter, &mut pending);
        }
        reports.append(&mut pending);
        Ok(())
    }
}

/// The last repeat comes when the process has been reaped, as a rule, and its place may be
/// another's.
#[derive(Debug, Default)]
struct RepeatsItself {
    last: Mutex<Vec<Report>>,
}

impl SourceFault for RepeatsItself {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        if reports.is_empty() {
            return Ok(());
        }
        let new = reports.clone();
        let mut last = lock(&self.last);
        reports.extend(new.iter().chain(last.iter()).cloned());
        *last = new;
        Ok(())
    }
}

/// Of a process that is no child, the answer is ECHILD.
#[derive(Debug, Default)]
struct AsksBeforeItWatches;

impl SourceFault for AsksBeforeItWatches {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        good.arm(pid, token)?;
        let number = rustix::process::Pid::from_raw(pid.as_raw()).expect("no pid is zero");
        let answer = pidfd_open(number, PidfdFlags::empty()).and_then(|pidfd| {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            waitid(WaitId::PidFd(pidfd.as_fd()), options)
        });
        match answer {
            Err(error @ (Errno::PERM | Errno::NOSYS)) => {
                good.disarm(token);
                Err(WatchError::Unsupported {
                    operation: "a question about a process",
                    pid: Some(pid),
                    source: error.into(),
                })
            }
            _ => Ok(()),
        }
    }
}
