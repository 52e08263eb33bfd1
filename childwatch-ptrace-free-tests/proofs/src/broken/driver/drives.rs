//! What is wrong with a driver, or with how a watcher uses it.

use std::cell::Cell;
use std::mem;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use childwatch_core::source::delegate_pid_watcher;
use childwatch_core::{
    DrivenWatcher, ExitCallback, Pid, PidWatcher, Unregistered, WatchError, WatchHandle,
};
use childwatch_pidfd::{PidfdSource, PidfdWatcher};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::super::seldom::Calls;
use crate::backends::PidfdDriven;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::kit::driven::{Drive, Driven};
use childwatch_ptrace_free_tests::kit::sys::signals::{self, Blocked};

/// What a driver does wrong: one method. The others are the good driver's.
pub(super) trait DriverFault: Default + Send + 'static {
    fn drive(
        &mut self,
        good: &mut dyn Drive,
        timeout: Option<Duration>,
    ) -> Result<usize, WatchError> {
        good.drive(timeout)
    }

    fn end(&mut self, good: Box<dyn Drive>) {
        drop(good);
    }
}

pub(super) fn with<F: DriverFault>() -> Result<Driven, WatchError> {
    let Driven { watcher, driver } = PidfdDriven.driven()?;
    Ok(Driven {
        watcher,
        driver: faulty::<F>(driver),
    })
}

pub(super) fn faulty<F: DriverFault>(good: Box<dyn Drive>) -> Box<dyn Drive> {
    Box::new(FaultyDriver {
        fault: F::default(),
        calls: Calls::default(),
        good: Some(good),
    })
}

struct FaultyDriver<F: DriverFault> {
    fault: F,
    calls: Calls,
    /// `None` once `drop` has begun.
    good: Option<Box<dyn Drive>>,
}

impl<F: DriverFault> Drive for FaultyDriver<F> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        let good = self.good.as_ref();
        good.expect("nobody calls after the end").descriptor()
    }

    fn drive(&mut self, timeout: Option<Duration>) -> Result<usize, WatchError> {
        match &mut self.good {
            Some(good) if self.calls.is_wrong_now() => self.fault.drive(&mut **good, timeout),
            Some(good) => good.drive(timeout),
            None => Err(WatchError::Stopped),
        }
    }
}

impl<F: DriverFault> Drop for FaultyDriver<F> {
    fn drop(&mut self) {
        if let Some(good) = self.good.take() {
            self.fault.end(good);
        }
    }
}

#[derive(Default)]
pub(super) struct DrivesElsewhere;

impl DriverFault for DrivesElsewhere {
    fn drive(
        &mut self,
        good: &mut dyn Drive,
        timeout: Option<Duration>,
    ) -> Result<usize, WatchError> {
        thread::scope(|scope| {
            let driving = scope.spawn(|| good.drive(timeout));
            driving.join().unwrap_or(Err(WatchError::Stopped))
        })
    }
}

#[derive(Default)]
pub(super) struct BlocksSignals;

impl DriverFault for BlocksSignals {
    fn drive(
        &mut self,
        good: &mut dyn Drive,
        timeout: Option<Duration>,
    ) -> Result<usize, WatchError> {
        let _blocked = Blocked::signals([libc::SIGUSR1]);
        good.drive(timeout)
    }
}

#[derive(Default)]
pub(super) struct LetsSignalsThrough;

impl DriverFault for LetsSignalsThrough {
    fn drive(
        &mut self,
        good: &mut dyn Drive,
        timeout: Option<Duration>,
    ) -> Result<usize, WatchError> {
        signals::unblock_sigchld();
        let driven = good.drive(timeout);
        signals::block_sigchld();
        driven
    }
}

#[derive(Default)]
pub(super) struct PollsWhileItWaits;

impl DriverFault for PollsWhileItWaits {
    fn drive(
        &mut self,
        good: &mut dyn Drive,
        timeout: Option<Duration>,
    ) -> Result<usize, WatchError> {
        let limit = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut polled = [PollFd::from_borrowed_fd(good.descriptor(), PollFlags::IN)];
        match poll(&mut polled, limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => good.drive(Some(Duration::ZERO)),
            Err(errno) => Err(WatchError::Os {
                operation: "poll",
                pid: None,
                source: errno.into(),
            }),
        }
    }
}

/// How many drivers this process has had.
static DRIVERS: AtomicUsize = AtomicUsize::new(0);

pub(super) struct TellsOneDriver {
    is_the_one: bool,
}

impl Default for TellsOneDriver {
    fn default() -> Self {
        TellsOneDriver {
            is_the_one: DRIVERS.fetch_add(1, Ordering::SeqCst) == 0,
        }
    }
}

impl DriverFault for TellsOneDriver {
    fn drive(
        &mut self,
        good: &mut dyn Drive,
        timeout: Option<Duration>,
    ) -> Result<usize, WatchError> {
        if self.is_the_one {
            good.drive(timeout)
        } else {
            Ok(0)
        }
    }
}

thread_local! {
    pub(super) static IS_DRIVING: Cell<bool> = const { Cell::new(false) };
}

#[derive(Default)]
pub(super) struct RefusesNested;

impl DriverFault for RefusesNested {
    fn drive(
        &mut self,
        good: &mut dyn Drive,
        timeout: Option<Duration>,
    ) -> Result<usize, WatchError> {
        if IS_DRIVING.replace(true) {
            return Err(WatchError::Stopped);
        }
        let driven = good.drive(timeout);
        IS_DRIVING.set(false);
        driven
    }
}

#[derive(Default)]
pub(super) struct NeverDropped;

impl DriverFault for NeverDropped {
    fn end(&mut self, good: Box<dyn Drive>) {
        mem::forget(good);
    }
}

#[derive(Default)]
pub(super) struct DrivesAfterTheEnd;

impl DriverFault for DrivesAfterTheEnd {
    fn drive(
        &mut self,
        good: &mut dyn Drive,
        timeout: Option<Duration>,
    ) -> Result<usize, WatchError> {
        match good.drive(timeout) {
            Err(WatchError::Stopped) => Ok(0),
            driven => driven,
        }
    }
}

#[derive(Default)]
pub(super) struct DrivesInCopies;

impl DriverFault for DrivesInCopies {
    fn drive(
        &mut self,
        good: &mut dyn Drive,
        timeout: Option<Duration>,
    ) -> Result<usize, WatchError> {
        match good.drive(timeout) {
            Err(WatchError::Forked) => Ok(0),
            driven => driven,
        }
    }
}

pub(super) fn after_a_thread() -> Result<Driven, WatchError> {
    // It has nothing to panic about.
    let _ = thread::spawn(|| {}).join();
    PidfdDriven.driven()
}

pub(super) fn drops_elsewhere() -> Result<Driven, WatchError> {
    let (watcher, driver) = PidfdWatcher::driven()?;
    Ok(Driven::new((DropsElsewhere(Some(watcher)), driver)))
}

/// `None` once `drop` has begun.
#[derive(Debug)]
struct DropsElsewhere(Option<DrivenWatcher<PidfdSource>>);

delegate_pid_watcher!(impl for DropsElsewhere, |this| *this.watcher());

impl DropsElsewhere {
    fn watcher(&self) -> &dyn PidWatcher {
        self.0.as_ref().expect("nobody calls after the end")
    }
}

impl Drop for DropsElsewhere {
    fn drop(&mut self) {
        let watcher = self.0.take();
        thread::spawn(|| drop(watcher));
    }
}

pub(super) fn unregisters_by_waiting() -> Result<Driven, WatchError> {
    let (watcher, driver) = PidfdWatcher::driven()?;
    Ok(Driven::new((UnregistersByWaiting(watcher), driver)))
}

#[derive(Debug)]
struct UnregistersByWaiting(DrivenWatcher<PidfdSource>);

impl PidWatcher for UnregistersByWaiting {
    fn register_pid(&self, pid: Pid) -> Result<(), WatchError> {
        self.0.register_pid(pid)
    }

    fn unregister_pid(&self, pid: Pid) {
        self.0.unregister_pid(pid);
    }

    fn register_callback(
        &self,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        self.0.register_callback(pid, callback)
    }

    fn unregister_callback(&self, handle: WatchHandle) -> Unregistered {
        while let Ok(Some(_)) = self.0.try_wait(handle.pid()) {
            thread::park_timeout(Duration::from_millis(1));
        }
        self.0.unregister_callback(handle)
    }

    fn watch(&self, pid: Pid, callback: ExitCallback) -> Result<WatchHandle, WatchError> {
        self.0.watch(pid, callback)
    }

    fn try_wait(&self, pid: Pid) -> Result<Option<childwatch_core::Exit>, WatchError> {
        self.0.try_wait(pid)
    }
}
