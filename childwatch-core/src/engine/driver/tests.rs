//! A [`Driver`] whose source fails, or whose callback panics.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::panic::resume_unwind;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};

use super::*;
use crate::contract::pid::Pid;
use crate::contract::watcher::PidWatcher;
use crate::engine::driven::DrivenWatcher;
#[cfg(target_pointer_width = "64")]
use crate::platform::refusing::on_a_thread_without;
use crate::source::token::Token;
use crate::watchers::simulated::{SimulatedProcesses, SimulatedSource, SimulatedWatcher};

/// No drive may wait for so long.
const LONG: Duration = Duration::from_secs(10);

/// A pollable source, whose next looks take what the descriptor tells, and fail.
#[derive(Debug)]
struct Failing {
    source: SimulatedSource,
    bell: OwnedFd,
    failures: AtomicUsize,
    /// Nothing wakes it.
    is_deaf: bool,
}

impl Failing {
    fn new(processes: &SimulatedProcesses) -> Self {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Failing {
            source: SimulatedSource::new(processes),
            bell: eventfd(0, flags).unwrap(),
            failures: AtomicUsize::new(0),
            is_deaf: false,
        }
    }
}

impl ExitSource for Failing {
    type Waiter = ();

    const THREAD_NAME: &'static str = "failing";

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

    fn wait(&self, waiter: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        self.source.wait(waiter, reports)
    }

    fn wake(&self) -> io::Result<()> {
        if self.is_deaf {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        rustix::io::write(&self.bell, &1_u64.to_ne_bytes())?;
        self.source.wake()
    }
}

impl PollableSource for Failing {
    fn descriptor<'a>(&'a self, _waiter: &'a ()) -> BorrowedFd<'a> {
        self.bell.as_fd()
    }

    fn collect(&self, waiter: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        let _ = rustix::io::read(&self.bell, &mut [0; 8]);
        let fails = |left: usize| left.checked_sub(1);
        let order = Ordering::SeqCst;
        match self.failures.fetch_update(order, order, fails) {
            Ok(_) => Err(io::ErrorKind::OutOfMemory.into()),
            Err(_none_left) => {
                // It never blocks.
                self.source.wake()?;
                self.source.wait(waiter, reports)
            }
        }
    }
}

#[test]
fn what_a_failed_look_has_left_is_not_waited_for() {
    for failures in 1..=3 {
        let processes = SimulatedProcesses::new();
        let source = Failing {
            failures: AtomicUsize::new(failures),
            ..Failing::new(&processes)
        };
        let (watcher, mut driver) = DrivenWatcher::new(source, ());
        let pid = processes.spawn();
        let (tell, told) = mpsc::channel();
        watcher
            .watch(pid, Box::new(move |exit| tell.send(exit).unwrap()))
            .unwrap();
        assert!(processes.exit(pid, ExitStatus::from_raw(0)));
        watcher.shared.source.wake().unwrap();

        let start = Instant::now();
        for _ in 0..failures {
            match driver.drive(Some(LONG)) {
                Err(WatchError::Os { .. }) => {}
                other => panic!("a failed look is answered {other:?}"),
            }
        }
        assert_eq!(driver.drive(Some(LONG)).unwrap(), 1);
        assert!(start.elapsed() < LONG, "it has waited");
        assert_eq!(told.recv().unwrap().pid(), pid);
        // One look that succeeds is enough. A loop would spin otherwise.
        const SHORT: Duration = Duration::from_millis(2);
        let waits = || {
            let start = Instant::now();
            assert_eq!(driver.drive(Some(SHORT)).unwrap(), 0);
            start.elapsed() >= SHORT
        };
        assert!(std::iter::repeat_with(waits).take(10).any(|waits| waits));
    }
}

/// C12: nothing has told the driver of the end, so it asks before it waits.
#[test]
fn the_end_is_noticed_before_a_wait_though_no_wake_has_told_it() {
    let processes = SimulatedProcesses::new();
    let source = Failing {
        is_deaf: true,
        ..Failing::new(&processes)
    };
    let (watcher, mut driver) = DrivenWatcher::new(source, ());
    drop(watcher);
    let start = Instant::now();
    let ended = driver.drive(Some(LONG));
    assert!(matches!(ended, Err(WatchError::Stopped)), "{ended:?}");
    assert!(start.elapsed() < LONG, "it has waited");
}

/// C4: a driver changes no mask, also not after a panic.
#[test]
fn what_a_callback_blocked_before_it_panicked_stays_blocked() {
    let processes = SimulatedProcesses::new();
    let (watcher, mut driver) = SimulatedWatcher::driven(&processes).unwrap();
    let pid = processes.spawn();
    let before = SignalMask::current().unwrap();
    let callback = |_| {
        SignalMask::block_asynchronous().unwrap();
        panic!("this callback is meant to panic");
    };
    watcher.watch(pid, Box::new(callback)).unwrap();
    assert!(processes.exit(pid, ExitStatus::from_raw(0)));
    assert_eq!(driver.drive(Some(LONG)).unwrap(), 1);
    let after = before.set().unwrap();
    assert_ne!(after.blocked(), before.blocked(), "the mask was restored");
}

/// With 32 bits, other calls wait.
#[cfg(target_pointer_width = "64")]
#[test]
fn what_is_due_runs_though_no_wait_is_permitted() {
    let processes = SimulatedProcesses::new();
    let (watcher, mut driver) = SimulatedWatcher::driven(&processes).unwrap();
    let pid = processes.spawn();
    let (tell, told) = mpsc::channel();
    watcher
        .watch(pid, Box::new(move |exit| tell.send(exit).unwrap()))
        .unwrap();
    assert!(processes.exit(pid, ExitStatus::from_raw(0)));
    let without_select = || on_a_thread_without(libc::SYS_pselect6, || driver.drive(Some(LONG)));
    let driven = on_a_thread_without(libc::SYS_ppoll, without_select);
    // A system without filters cannot refuse the calls.
    if let Some(Some(driven)) = driven {
        assert!(matches!(driven, Err(WatchError::Os { .. })), "{driven:?}");
        assert_eq!(told.try_recv().unwrap().pid(), pid);
    }
}

/// What only the driver uses, and whose `Drop` panics.
struct Fragile;

impl Drop for Fragile {
    fn drop(&mut self) {
        // Without the hook's message.
        resume_unwind(Box::new("the drop of a waiter"));
    }
}

/// A source that has such a waiter.
#[derive(Debug)]
struct WithFragile(SimulatedSource);

impl ExitSource for WithFragile {
    type Waiter = Fragile;

    const THREAD_NAME: &'static str = "fragile";

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        self.0.arm(pid, token)
    }

    fn disarm(&self, token: Token) {
        self.0.disarm(token);
    }

    fn is_reaped(&self, token: Token) -> bool {
        self.0.is_reaped(token)
    }

    fn look(&self, token: Token) -> Option<Report> {
        self.0.look(token)
    }

    fn wait(&self, _: &mut Fragile, reports: &mut Vec<Report>) -> io::Result<()> {
        self.0.wait(&mut (), reports)
    }

    fn wake(&self) -> io::Result<()> {
        self.0.wake()
    }
}

/// S9: a panic of the source goes no further than the engine.
#[test]
fn a_waiter_that_panics_in_its_drop_keeps_nothing_and_harms_nobody() {
    let processes = SimulatedProcesses::new();
    for watcher_goes_first in [true, false] {
        let source = WithFragile(SimulatedSource::new(&processes));
        let (watcher, driver) = DrivenWatcher::with_driver(source, Fragile);
        watcher.register_pid(processes.spawn()).unwrap();
        if watcher_goes_first {
            drop(watcher);
            drop(driver);
        } else {
            drop(driver);
            drop(watcher);
        }
        assert_eq!(processes.registration_count(), 0);
    }
}
