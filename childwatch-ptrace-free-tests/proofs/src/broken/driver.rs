//! Watchers without a thread, whose driver or pollable source is broken.

use std::cell::Cell;
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use childwatch_core::source::{ExitSource, PollableSource, Report, Token};
use childwatch_core::{
    DrivenWatcher, ExitCallback, Pid, PidWatcher, Unregistered, WatchError, WatchHandle,
};
use childwatch_pidfd::{PidfdSource, PidfdWaiter, PidfdWatcher};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

use super::entry::Fails::{ByHanging, InVain, Saying};
use super::entry::{Broken, FailedLaw, Rule};
use super::seldom::Calls;
use crate::backends::PidfdDriven;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause::{C3, C4, C5, C9, C10, C12, C15, C18};
use childwatch_ptrace_free_tests::SourceUnderTest;
use childwatch_ptrace_free_tests::kit::driven::{Drive, Driven};
use childwatch_ptrace_free_tests::kit::locked::lock;
use childwatch_ptrace_free_tests::kit::looped::Loop;
use childwatch_ptrace_free_tests::kit::sys::signals::Blocked;

/// What the broken drivers have in common.
const DRIVEN: Broken = Broken {
    name: "",
    fault: "",
    breaks: Rule::Clause(C4),
    built_on: &PidfdDriven,
    claims: &PidfdDriven,
    watcher: || PidfdDriven.watcher(),
    driven: || PidfdDriven.driven(),
    fails: &[],
    passes: &["two_drivers_in_one_loop_both_tell"],
    law: None,
};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "never-readable",
        fault: "The descriptor of its source is one that nothing makes readable.",
        breaks: Rule::Law(10),
        watcher: || Loop::start(over::<NeverReadable>()?),
        driven: over::<NeverReadable>,
        fails: &[
            (
                "the_descriptor_is_readable_as_long_as_something_is_due",
                InVain("not within the patience: the exit is told"),
            ),
            ("codes_and_signals_are_told", ByHanging),
        ],
        passes: &[],
        law: Some(FailedLaw {
            test: "s10_an_exit_makes_the_descriptor_readable_before_the_arming_or_after",
            how: InVain("an exit is not reported"),
            source: by_itself::<NeverReadable>,
        }),
        ..DRIVEN
    },
    Broken {
        name: "always-readable",
        fault: "The descriptor of its source is always readable, so a loop spins.",
        breaks: Rule::Clause(C18),
        watcher: || Loop::start(over::<AlwaysReadable>()?),
        driven: over::<AlwaysReadable>,
        fails: &[(
            "nothing_is_readable_when_nothing_is_due",
            Saying("drives for 50 exits"),
        )],
        ..DRIVEN
    },
    Broken {
        name: "polls-while-it-waits",
        fault: "It waits by poll, which fails at a limit of 0 files, and then does not look.",
        breaks: Rule::Clause(C18),
        watcher: || Loop::start(with::<PollsWhileItWaits>()?),
        driven: with::<PollsWhileItWaits>,
        fails: &[
            (
                "a_drive_waits_at_a_limit_of_no_files",
                Saying("Invalid argument"),
            ),
            (
                "a_drive_that_may_not_wait_runs_what_is_due",
                Saying("a late callback was due"),
            ),
        ],
        ..DRIVEN
    },
    Broken {
        name: "leaves-no-edge",
        fault: "What a drive leaves for the next one, the descriptor does not tell.",
        breaks: Rule::Law(11),
        watcher: || Loop::start(leaves_no_edge()?),
        driven: leaves_no_edge,
        fails: &[(
            "what_a_drive_leaves_is_told_by_the_descriptor",
            InVain("no event, and something is left"),
        )],
        ..DRIVEN
    },
    Broken {
        name: "tells-in-the-next-drive",
        fault: "What it finds in a drive, it tells in the next one, and gives no edge for that.",
        breaks: Rule::Law(11),
        watcher: || Loop::start(over::<TellsInTheNext>()?),
        driven: over::<TellsInTheNext>,
        fails: &[(
            "the_descriptor_is_readable_as_long_as_something_is_due",
            InVain("not within the patience: the exit is told"),
        )],
        passes: &[],
        law: Some(FailedLaw {
            test: "s11_what_a_collection_leaves_makes_an_edge",
            how: InVain("no edge, and exits are left"),
            source: by_itself::<TellsInTheNext>,
        }),
        ..DRIVEN
    },
    Broken {
        name: "waits-in-collect",
        fault: "Its source waits where it must only look.",
        breaks: Rule::Law(12),
        watcher: || Loop::start(over::<WaitsInCollect>()?),
        driven: over::<WaitsInCollect>,
        fails: &[("a_drive_waits_no_longer_than_it_may", ByHanging)],
        law: Some(FailedLaw {
            test: "s12_a_collection_that_finds_nothing_returns",
            how: ByHanging,
            source: by_itself::<WaitsInCollect>,
        }),
        ..DRIVEN
    },
    Broken {
        name: "does-not-wake-its-drive",
        fault: "A call on another thread does not wake the drive that waits.",
        breaks: Rule::Clause(C5),
        watcher: || Loop::start(over::<ForgetsLateCallbacks>()?),
        driven: over::<ForgetsLateCallbacks>,
        fails: &[(
            "a_drive_that_waits_is_woken_by_a_call",
            InVain("the callback ran 0 times"),
        )],
        ..DRIVEN
    },
    Broken {
        name: "drives-elsewhere",
        fault: "It drives on a thread of its own, and not on that of the call.",
        watcher: || Loop::start(with::<DrivesElsewhere>()?),
        driven: with::<DrivesElsewhere>,
        fails: &[(
            "callbacks_run_on_the_thread_that_drives",
            Saying("ThreadId"),
        )],
        ..DRIVEN
    },
    Broken {
        name: "drives-with-signals-blocked",
        fault: "It blocks signals while callbacks run.",
        watcher: || Loop::start(with::<BlocksSignals>()?),
        driven: with::<BlocksSignals>,
        fails: &[(
            "callbacks_run_with_the_mask_of_the_thread_that_drives",
            Saying("the mask in a callback"),
        )],
        ..DRIVEN
    },
    Broken {
        name: "tells-one-driver",
        fault: "Of the drivers of a process, only one is driven.",
        breaks: Rule::Clause(C3),
        watcher: || Loop::start(with::<TellsOneDriver>()?),
        driven: with::<TellsOneDriver>,
        fails: &[(
            "two_drivers_in_one_loop_both_tell",
            InVain("not within the patience: both tell"),
        )],
        passes: &["callbacks_run_on_the_thread_that_drives"],
        ..DRIVEN
    },
    Broken {
        name: "refuses-a-drive-in-a-drive",
        fault: "It takes the loop of another watcher, inside a callback, for its own.",
        breaks: Rule::Clause(C10),
        watcher: || Loop::start(with::<RefusesNested>()?),
        driven: with::<RefusesNested>,
        fails: &[("a_callback_may_drive_another_watcher", Saying("Stopped"))],
        ..DRIVEN
    },
    Broken {
        name: "unregisters-by-waiting",
        fault: "To unregister a callback that is due, it waits until somebody has driven it.",
        breaks: Rule::Clause(C9),
        watcher: || Loop::start(unregisters_by_waiting()?),
        driven: unregisters_by_waiting,
        fails: &[(
            "a_callback_that_nobody_drives_is_taken_out_at_once",
            ByHanging,
        )],
        ..DRIVEN
    },
    Broken {
        name: "outlives-its-driver",
        fault: "When its driver is dropped, it goes on to register what nobody will drive.",
        breaks: Rule::Clause(C12),
        watcher: || Loop::start(with::<NeverDropped>()?),
        driven: with::<NeverDropped>,
        fails: &[(
            "a_driver_that_is_dropped_first_ends_the_watcher",
            Saying("captures_are_dropped()"),
        )],
        passes: &[],
        ..DRIVEN
    },
    Broken {
        name: "drives-after-the-end",
        fault: "When the watcher has been dropped, the loop is told that nothing was due.",
        breaks: Rule::Clause(C12),
        watcher: || Loop::start(with::<DrivesAfterTheEnd>()?),
        driven: with::<DrivesAfterTheEnd>,
        fails: &[
            (
                "a_watcher_that_is_dropped_first_ends_the_driver",
                Saying("Ok(0)"),
            ),
            (
                "a_watcher_dropped_in_its_callback_ends_the_driver",
                Saying("Ok(0)"),
            ),
        ],
        ..DRIVEN
    },
    Broken {
        name: "drives-in-copies",
        fault: "In a forked copy, the loop is told that nothing was due.",
        breaks: Rule::Clause(C15),
        watcher: || Loop::start(with::<DrivesInCopies>()?),
        driven: with::<DrivesInCopies>,
        fails: &[
            ("a_drive_in_a_copy_answers_forked", Saying("the copy's")),
            (
                "a_copy_made_in_a_driven_callback_goes_on",
                Saying("the copy's"),
            ),
        ],
        ..DRIVEN
    },
];

/// What a driver does wrong: one method. The others are the good driver's.
trait DriverFault: Default + Send + 'static {
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

fn with<F: DriverFault>() -> Result<Driven, WatchError> {
    let Driven { watcher, driver } = PidfdDriven.driven()?;
    Ok(Driven {
        watcher,
        driver: faulty::<F>(driver),
    })
}

fn faulty<F: DriverFault>(good: Box<dyn Drive>) -> Box<dyn Drive> {
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
struct DrivesElsewhere;

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
struct BlocksSignals;

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
struct PollsWhileItWaits;

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

struct TellsOneDriver {
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
    static IS_DRIVING: Cell<bool> = const { Cell::new(false) };
}

#[derive(Default)]
struct RefusesNested;

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
struct NeverDropped;

impl DriverFault for NeverDropped {
    fn end(&mut self, good: Box<dyn Drive>) {
        mem::forget(good);
    }
}

#[derive(Default)]
struct DrivesAfterTheEnd;

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
struct DrivesInCopies;

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

fn unregisters_by_waiting() -> Result<Driven, WatchError> {
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

/// What a pollable source does wrong: one method. The others are the good source's.
trait PollFault: std::fmt::Debug + Send + Sync + Sized + 'static {
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

fn over<F: PollFault>() -> Result<Driven, WatchError> {
    let (source, waiter) = source::<F>()?;
    Ok(Driven::new(DrivenWatcher::new(source, waiter)))
}

/// A source with a fault, for the laws.
fn by_itself<F: PollFault>(name: &'static str) -> SourceUnderTest {
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
struct Faulty<F> {
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
struct NeverReadable(OwnedFd);

impl PollFault for NeverReadable {
    fn new() -> io::Result<Self> {
        an_eventfd(0).map(NeverReadable)
    }

    fn descriptor<'a>(&'a self, _: &'a PidfdSource, _: &'a PidfdWaiter) -> BorrowedFd<'a> {
        self.0.as_fd()
    }
}

#[derive(Debug)]
struct AlwaysReadable(OwnedFd);

impl PollFault for AlwaysReadable {
    fn new() -> io::Result<Self> {
        an_eventfd(1).map(AlwaysReadable)
    }

    fn descriptor<'a>(&'a self, _: &'a PidfdSource, _: &'a PidfdWaiter) -> BorrowedFd<'a> {
        self.0.as_fd()
    }
}

fn leaves_no_edge() -> Result<Driven, WatchError> {
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
struct TellsInTheNext(Mutex<Vec<Report>>);

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
struct WaitsInCollect;

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
struct ForgetsLateCallbacks;

impl PollFault for ForgetsLateCallbacks {
    fn new() -> io::Result<Self> {
        Ok(ForgetsLateCallbacks)
    }

    fn wake(&self, _: &PidfdSource) -> io::Result<()> {
        Ok(())
    }
}
