//! What is wrong with a pollable source, whose descriptor a program polls.

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::time::Duration;

use childwatch_core::source::{ExitSource, PollableSource, Report, Token};
use childwatch_core::{DrivenWatcher, Pid, WatchError};
use childwatch_pidfd::{PidfdSource, PidfdWaiter};
use rustix::event::{EventfdFlags, eventfd};

use super::super::seldom::Calls;
use super::drives::{DriverFault, IS_DRIVING, faulty};
use childwatch_ptrace_free_tests::SourceUnderTest;
use childwatch_ptrace_free_tests::kit::driven::{Drive, Driven};
use childwatch_ptrace_free_tests::kit::locked::lock;

/// What a pollable source does wrong: one method. The others are the good source's.
pub(super) trait PollFault: std::fmt::Debug + Send + Sync + Sized + 'static {
    fn new() -> io::Result<Self>;

    fn descriptor<'a>(&'a self, good: &'a PidfdSource, waiter: &'a PidfdWaiter) -> BorrowedFd<'a> {
        good.descriptor(waiter)
    }

    fn collect(
        &self,
        good: &PidfdSource,
        waiter: &mut PidfdWaiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.collect(waiter, reports)
    }

    fn wake(&self, good: &PidfdSource) -> io::Result<()> {
        good.wake()
    }
}

pub(super) fn over<F: PollFault>() -> Result<Driven, WatchError> {
    let (source, waiter) = source::<F>()?;
    Ok(Driven::new(DrivenWatcher::new(source, waiter)))
}

/// A source with a fault, for the laws.
pub(super) fn by_itself<F: PollFault>(name: &'static str) -> SourceUnderTest {
    SourceUnderTest::pollable(name, source::<F>)
}

fn source<F: PollFault>() -> Result<(Faulty<F>, PidfdWaiter), WatchError> {
    childwatch_pidfd::probe().check()?;
    let (good, waiter) = PidfdSource::new()?;
    let fault = F::new().map_err(|source| WatchError::Os {
        operation: "a broken source",
        pid: None,
        source,
    })?;
    let calls = Calls::default();
    Ok((Faulty { good, calls, fault }, waiter))
}

#[derive(Debug)]
pub(super) struct Faulty<F> {
    good: PidfdSource,
    calls: Calls,
    fault: F,
}

impl<F: PollFault> ExitSource for Faulty<F> {
    type Waiter = PidfdWaiter;

    const THREAD_NAME: &'static str = PidfdSource::THREAD_NAME;

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        self.good.arm(pid, token)
    }

    fn disarm(&self, token: Token) {
        self.good.disarm(token);
    }

    fn is_reaped(&self, token: Token) -> bool {
        self.good.is_reaped(token)
    }

    fn look(&self, token: Token) -> Option<Report> {
        self.good.look(token)
    }

    fn wait(&self, waiter: &mut PidfdWaiter, reports: &mut Vec<Report>) -> io::Result<()> {
        self.good.wait(waiter, reports)
    }

    fn wake(&self) -> io::Result<()> {
        if self.calls.is_wrong_now() {
            self.fault.wake(&self.good)
        } else {
            self.good.wake()
        }
    }
}

impl<F: PollFault> PollableSource for Faulty<F> {
    fn descriptor<'a>(&'a self, waiter: &'a PidfdWaiter) -> BorrowedFd<'a> {
        self.fault.descriptor(&self.good, waiter)
    }

    fn collect(&self, waiter: &mut PidfdWaiter, reports: &mut Vec<Report>) -> io::Result<()> {
        if self.calls.is_wrong_now() {
            self.fault.collect(&self.good, waiter, reports)
        } else {
            self.good.collect(waiter, reports)
        }
    }
}

fn an_eventfd(value: u32) -> io::Result<OwnedFd> {
    Ok(eventfd(
        value,
        EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
    )?)
}

#[derive(Debug)]
pub(super) struct NeverReadable(OwnedFd);

impl PollFault for NeverReadable {
    fn new() -> io::Result<Self> {
        an_eventfd(0).map(NeverReadable)
    }

    fn descriptor<'a>(&'a self, _: &'a PidfdSource, _: &'a PidfdWaiter) -> BorrowedFd<'a> {
        self.0.as_fd()
    }
}

#[derive(Debug)]
pub(super) struct AlwaysReadable(OwnedFd);

impl PollFault for AlwaysReadable {
    fn new() -> io::Result<Self> {
        an_eventfd(1).map(AlwaysReadable)
    }

    fn descriptor<'a>(&'a self, _: &'a PidfdSource, _: &'a PidfdWaiter) -> BorrowedFd<'a> {
        self.0.as_fd()
    }
}

pub(super) fn leaves_no_edge() -> Result<Driven, WatchError> {
    let Driven { watcher, driver } = over::<LeavesNoEdge>()?;
    Ok(Driven {
        watcher,
        driver: faulty::<KnowsWhenItDrives>(driver),
    })
}

#[derive(Default)]
struct KnowsWhenItDrives;

impl DriverFault for KnowsWhenItDrives {
    fn drive(
        &mut self,
        good: &mut dyn Drive,
        timeout: Option<Duration>,
    ) -> Result<usize, WatchError> {
        IS_DRIVING.set(true);
        let driven = good.drive(timeout);
        IS_DRIVING.set(false);
        driven
    }
}

#[derive(Debug)]
struct LeavesNoEdge;

impl PollFault for LeavesNoEdge {
    fn new() -> io::Result<Self> {
        Ok(LeavesNoEdge)
    }

    fn wake(&self, good: &PidfdSource) -> io::Result<()> {
        if IS_DRIVING.get() {
            return Ok(());
        }
        good.wake()
    }
}

#[derive(Debug)]
pub(super) struct TellsInTheNext(Mutex<Vec<Report>>);

impl PollFault for TellsInTheNext {
    fn new() -> io::Result<Self> {
        Ok(TellsInTheNext(Mutex::default()))
    }

    fn collect(
        &self,
        good: &PidfdSource,
        waiter: &mut PidfdWaiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        let mut found = Vec::new();
        good.collect(waiter, &mut found)?;
        reports.extend(mem::replace(&mut *lock(&self.0), found));
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct WaitsInCollect;

impl PollFault for WaitsInCollect {
    fn new() -> io::Result<Self> {
        Ok(WaitsInCollect)
    }

    fn collect(
        &self,
        good: &PidfdSource,
        waiter: &mut PidfdWaiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)
    }
}

#[derive(Debug)]
pub(super) struct ForgetsLateCallbacks;

impl PollFault for ForgetsLateCallbacks {
    fn new() -> io::Result<Self> {
        Ok(ForgetsLateCallbacks)
    }

    fn wake(&self, _: &PidfdSource) -> io::Result<()> {
        Ok(())
    }
}
