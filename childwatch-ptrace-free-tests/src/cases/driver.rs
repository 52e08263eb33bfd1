//! Watchers without a thread, and what drives them. That such a watcher keeps the other clauses,
//! the other cases show: a loop drives it there.

#![expect(unsafe_code, reason = "copies that return from a callback")]

use std::future::Future;
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use childwatch_core::{Pid, PidWatcher, PidWatcherExt, Unregistered, WatchError};
use rustix::event::epoll;
use rustix::io::Errno;

use super::fork::in_a_copy;
use crate::backend::stage::Stage;
use crate::kit::child::{End, GatedChild};
use crate::kit::deadline;
use crate::kit::driven::{Drive, Driven, await_readable, is_readable};
use crate::kit::footprint::{Footprint, open_files};
use crate::kit::probe::{Gate, Probe};
use crate::kit::sys::{birth, death, limits, signals, threads};
use crate::machine::refusal::{Refusal, refuse_on_this_thread};

const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

fn driven(stage: &Stage<'_>) -> (Box<dyn PidWatcher>, Box<dyn Drive>) {
    let Driven { watcher, driver } = stage.backend().driven().expect("a watcher and its driver");
    (watcher, driver)
}

/// Drives once for each time that the descriptor is readable, until the condition holds. Returns
/// how often it has driven.
#[track_caller]
fn drive_until(what: &str, driver: &mut dyn Drive, mut holds: impl FnMut() -> bool) -> usize {
    let end = Instant::now() + deadline::patience();
    let mut drives = 0;
    while !holds() {
        let left = end.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "not within the patience: {what}");
        if await_readable(driver, Some(left)).unwrap() {
            driver.drive(AT_ONCE).unwrap();
            drives += 1;
        }
    }
    drives
}

/// Drives until the descriptor is not readable.
#[track_caller]
fn drive_to_rest(driver: &mut dyn Drive) {
    deadline::until("the descriptor is not readable", || {
        !is_readable(driver) || {
            driver.drive(AT_ONCE).unwrap();
            false
        }
    });
}

/// A child that has died, whose exit is known. Its registration is held.
fn known_exit(
    stage: &Stage<'_>,
    watcher: &dyn PidWatcher,
    driver: &mut dyn Drive,
) -> Box<dyn GatedChild> {
    let child = stage.child();
    let probe = Probe::new();
    watcher.register_pid(child.pid()).unwrap();
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    child.die(End::Code(0));
    drive_until("the exit is told", driver, || probe.runs() == 1);
    drive_to_rest(driver);
    child
}

pub(super) fn callbacks_run_on_the_thread_that_drives(stage: &Stage<'_>) {
    let (watcher, mut driver) = driven(stage);
    let child = known_exit(stage, &*watcher, &mut *driver);
    let probe = Probe::new();
    let own = thread::current().id();
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    assert_eq!(driver.drive(None).unwrap(), 1);
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    let another = thread::scope(|scope| {
        let driving = scope.spawn(|| {
            assert_eq!(driver.drive(None).unwrap(), 1);
            thread::current().id()
        });
        driving.join().unwrap()
    });
    assert_eq!(probe.threads(), [own, another]);
}

pub(super) fn callbacks_run_with_the_mask_of_the_thread_that_drives(stage: &Stage<'_>) {
    let (watcher, mut driver) = driven(stage);
    // After the watcher was made, so that its maker's mask is another one.
    signals::block(libc::SIGUSR2);
    let own = signals::blocked_signals();
    let child = known_exit(stage, &*watcher, &mut *driver);
    assert_eq!(signals::blocked_signals(), own, "the mask after a drive");
    let (tell, told) = mpsc::channel();
    let callback = move |_| tell.send(signals::blocked_signals()).unwrap();
    watcher
        .register_callback(child.pid(), Box::new(callback))
        .unwrap();
    assert_eq!(driver.drive(None).unwrap(), 1);
    assert_eq!(told.recv().unwrap(), own, "the mask in a callback");
    assert_eq!(signals::blocked_signals(), own, "the mask after a drive");
}

/// The child is known to be dead before the descriptor is looked at. No thread drives meanwhile.
pub(super) fn the_descriptor_is_readable_as_long_as_something_is_due(stage: &Stage<'_>) {
    let (watcher, mut driver) = driven(stage);
    let child = stage.child();
    let probe = Probe::new();
    watcher.register_pid(child.pid()).unwrap();
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    drive_to_rest(&mut *driver);
    child.die(End::Code(0));
    drive_until("the exit is told", &mut *driver, || probe.runs() == 1);
    drive_to_rest(&mut *driver);

    // A late callback, each time that it is asked about.
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    for _ in 0..3 {
        assert!(is_readable(&*driver), "a late callback is due");
    }
    assert_eq!(driver.drive(AT_ONCE).unwrap(), 1);
    assert_eq!(probe.runs(), 2);

    // The same after a panic.
    let panics = |_| panic!("this callback is meant to panic");
    watcher
        .register_callback(child.pid(), Box::new(panics))
        .unwrap();
    assert_eq!(driver.drive(AT_ONCE).unwrap(), 1);
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    assert!(is_readable(&*driver), "a late callback is due");
    assert_eq!(driver.drive(AT_ONCE).unwrap(), 1);
    assert_eq!(probe.runs(), 3);
}

/// If the descriptor were readable without a reason, a loop would drive thousands of times between
/// two exits.
pub(super) fn nothing_is_readable_when_nothing_is_due(stage: &Stage<'_>) {
    const EXITS: usize = 50;
    let (watcher, mut driver) = driven(stage);
    let idle = stage.child();
    let probe = Probe::new();
    watcher.watch(idle.pid(), probe.callback()).unwrap();
    let start = Instant::now();
    let mut drives = 0;
    for exits in 1..=EXITS {
        let child = stage.child();
        watcher.watch(child.pid(), probe.callback()).unwrap();
        // It dies while the loop waits.
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..100 {
                    thread::yield_now();
                }
                child.die(End::Code(0));
            });
            drives += drive_until("the exit is told", &mut *driver, || probe.runs() == exits);
        });
    }
    // A registration, an exit, a sweep after it, a chunk of that, and the loss of the last
    // child: each may need a drive. So does a heartbeat.
    let heartbeats = 2 * usize::try_from(start.elapsed().as_secs()).unwrap();
    assert!(
        drives <= 10 * EXITS + heartbeats,
        "{drives} drives for {EXITS} exits"
    );
}

/// Level-triggered, and edge-triggered with one drive for each event.
pub(super) fn what_a_drive_leaves_is_told_by_the_descriptor(stage: &Stage<'_>) {
    const LATE: usize = 3_000;
    const EXITS: usize = 150;
    for edge in [epoll::EventFlags::empty(), epoll::EventFlags::ET] {
        let (watcher, mut driver) = driven(stage);
        let child = known_exit(stage, &*watcher, &mut *driver);
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let data = epoll::EventData::new_u64(0);
        let flags = epoll::EventFlags::IN | edge;
        epoll::add(&poller, driver.descriptor(), data, flags).unwrap();
        let late = Probe::new();
        for _ in 0..LATE {
            watcher
                .register_callback(child.pid(), late.callback())
                .unwrap();
        }
        drive_by_events(&poller, &mut *driver, || late.runs() == LATE);

        let children: Vec<_> = (0..EXITS).map(|_| stage.child()).collect();
        let told = Probe::new();
        for child in &children {
            watcher.watch(child.pid(), told.callback()).unwrap();
        }
        for child in &children {
            child.die(End::Code(0));
        }
        drive_by_events(&poller, &mut *driver, || told.runs() == EXITS);
        for mut child in children {
            child.reap();
        }
    }
}

#[track_caller]
fn drive_by_events(poller: &OwnedFd, driver: &mut dyn Drive, holds: impl Fn() -> bool) {
    let limit = rustix::event::Timespec::try_from(deadline::patience()).unwrap();
    let mut events = Vec::with_capacity(1);
    while !holds() {
        events.clear();
        let buffer = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(poller, buffer, Some(&limit)) {
            Ok(taken) => assert_eq!(taken, 1, "no event, and something is left"),
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => panic!("{errno}"),
        }
        driver.drive(AT_ONCE).unwrap();
    }
}

pub(super) fn a_drive_waits_no_longer_than_it_may(stage: &Stage<'_>) {
    let (watcher, mut driver) = driven(stage);
    let child = stage.child();
    let probe = Probe::new();
    watcher.watch(child.pid(), probe.callback()).unwrap();
    for limit in [0, 1, 30].map(Duration::from_millis) {
        // The last waits for as long as it says: nothing else comes then.
        let start = Instant::now();
        let mut waited = Duration::ZERO;
        while waited < limit {
            assert_eq!(driver.drive(Some(limit - waited)).unwrap(), 0);
            waited = start.elapsed();
        }
        assert_eq!(driver.drive(Some(Duration::ZERO)).unwrap(), 0);
    }
    child.die(End::Code(0));
    while driver.drive(Some(deadline::patience())).unwrap() == 0 {}
    assert_eq!(probe.runs(), 1);
}

/// A program that has no other loop than `drive(None)` would be told nothing otherwise.
pub(super) fn a_drive_that_may_not_wait_runs_what_is_due(stage: &Stage<'_>) {
    let (watcher, mut driver) = driven(stage);
    let child = known_exit(stage, &*watcher, &mut *driver);
    let (another, told) = (stage.child(), Probe::new());
    watcher.watch(another.pid(), told.callback()).unwrap();
    drive_to_rest(&mut *driver);
    let waits = [Refusal::polls(Errno::PERM), Refusal::selects(Errno::PERM)].concat();
    refuse_on_this_thread(&waits).unwrap();
    for limit in [None, Some(deadline::patience())] {
        let late = Probe::new();
        watcher
            .register_callback(child.pid(), late.callback())
            .unwrap();
        match driver.drive(limit) {
            Err(WatchError::Os { .. }) => {}
            other => panic!("a refused wait is answered {other:?}"),
        }
        assert_eq!(late.runs(), 1, "a late callback was due");
    }
    another.die(End::Code(0));
    deadline::until("the exit is told", || {
        let _ = driver.drive(None);
        told.runs() == 1
    });
}

/// `poll` asks for the limit, also if it only waits.
pub(super) fn a_drive_waits_at_a_limit_of_no_files(stage: &Stage<'_>) {
    const SHORT: Duration = Duration::from_millis(1);
    let (watcher, mut driver) = driven(stage);
    let child = stage.child();
    let probe = Probe::new();
    watcher.watch(child.pid(), probe.callback()).unwrap();
    let _none = limits::NoFiles::begin();
    assert_eq!(driver.drive(Some(SHORT)).unwrap(), 0);
    child.let_go(End::Code(0));
    while driver.drive(Some(deadline::patience())).unwrap() == 0 {}
    assert_eq!(probe.runs(), 1);
}

pub(super) fn a_drive_that_waits_is_woken_by_a_call(stage: &Stage<'_>) {
    let (watcher, mut driver) = driven(stage);
    let child = known_exit(stage, &*watcher, &mut *driver);
    let probe = Probe::new();
    let (tell, told) = mpsc::channel();
    let driving = thread::spawn(move || {
        tell.send(threads::thread_id()).unwrap();
        let mut ran = 0;
        loop {
            match driver.drive(None) {
                Ok(callbacks) => ran += callbacks,
                Err(WatchError::Stopped) => return ran,
                Err(error) => panic!("{error}"),
            }
        }
    });
    let thread = told.recv().unwrap();
    deadline::until("the drive waits", || threads::is_asleep(thread));
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    probe.ran_once();
    deadline::until("the drive waits", || threads::is_asleep(thread));
    drop(watcher);
    assert_eq!(driving.join().unwrap(), 1);
}

pub(super) fn a_callback_that_nobody_drives_is_taken_out_at_once(stage: &Stage<'_>) {
    let (watcher, mut driver) = driven(stage);
    let child = known_exit(stage, &*watcher, &mut *driver);
    let probe = Probe::new();
    let late = watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    let another = watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    assert!(is_readable(&*driver));
    assert_eq!(
        watcher.unregister_callback(late),
        Unregistered::WillNotRun,
        "on the thread that drives"
    );
    let unregistered = thread::scope(|scope| {
        let calling = scope.spawn(|| watcher.unregister_callback(another));
        calling.join().unwrap()
    });
    assert_eq!(unregistered, Unregistered::WillNotRun, "on another thread");
    assert!(probe.captures_are_dropped());
    assert_eq!(driver.drive(AT_ONCE).unwrap(), 0);
    drive_to_rest(&mut *driver);
    assert_eq!(probe.runs(), 0);
}

pub(super) fn two_drivers_in_one_loop_both_tell(stage: &Stage<'_>) {
    let mut both = [driven(stage), driven(stage)];
    let child = stage.child();
    let probes = [Probe::new(), Probe::new()];
    for ((watcher, _), probe) in both.iter().zip(&probes) {
        watcher.watch(child.pid(), probe.callback()).unwrap();
    }
    child.die(End::Code(0));
    for ((_, driver), probe) in both.iter_mut().zip(&probes) {
        drive_until("both tell", &mut **driver, || probe.runs() == 1);
    }
}

/// Inside a callback, the loop of another watcher. In a callback there, the first one is told
/// from where the call comes.
pub(super) fn a_callback_may_drive_another_watcher(stage: &Stage<'_>) {
    let (outer, mut outer_driver) = driven(stage);
    let (inner, mut inner_driver) = driven(stage);
    let outer: Arc<dyn PidWatcher> = Arc::from(outer);
    let known = known_exit(stage, &*outer, &mut *outer_driver);
    let other = known_exit(stage, &*inner, &mut *inner_driver);
    let handle = Arc::new(Mutex::new(None));
    let (tell, told) = mpsc::channel();
    let in_the_inner = {
        let (outer, handle) = (Arc::clone(&outer), Arc::clone(&handle));
        move |_| {
            let handle = handle.lock().unwrap().unwrap();
            tell.send(outer.unregister_callback(handle)).unwrap();
        }
    };
    inner
        .register_callback(other.pid(), Box::new(in_the_inner))
        .unwrap();
    let (tell_drives, told_drives) = mpsc::channel();
    let drives_the_inner = move |_| {
        let driven = inner_driver.drive(AT_ONCE);
        tell_drives.send((driven, inner_driver)).unwrap();
    };
    let outers = outer
        .register_callback(known.pid(), Box::new(drives_the_inner))
        .unwrap();
    *handle.lock().unwrap() = Some(outers);
    assert_eq!(outer_driver.drive(AT_ONCE).unwrap(), 1);
    let (driven, inner_driver) = told_drives.recv().unwrap();
    assert_eq!(driven.unwrap(), 1);
    assert_eq!(told.recv().unwrap(), Unregistered::IsRunning);
    drop((inner, inner_driver));
}

pub(super) fn a_driver_that_is_dropped_first_ends_the_watcher(stage: &Stage<'_>) {
    let (child, other, dead) = (stage.child(), stage.child(), stage.child());
    // The handler of signals, if one is needed, stays.
    drop(known_exit_of(stage));
    let before = Footprint::now();
    let (watcher, driver) = driven(stage);
    let own = open_files();
    let probe = Probe::new();
    watcher.register_pid(child.pid()).unwrap();
    let handle = watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    watcher.watch(other.pid(), probe.callback()).unwrap();
    watcher.register_pid(dead.pid()).unwrap();
    dead.die(End::Code(0));
    let mut future = watcher.exited(dead.pid()).unwrap();
    drop(driver);
    assert!(probe.captures_are_dropped());
    assert_eq!(probe.runs(), 0);
    assert!(open_files() <= own, "what the processes held is given back");
    let mut context = Context::from_waker(Waker::noop());
    let outcome = Pin::new(&mut future).poll(&mut context);
    assert_eq!(outcome, Poll::Ready(None));
    has_stopped(&*watcher, child.pid());
    assert_eq!(
        watcher.unregister_callback(handle),
        Unregistered::NotPending
    );
    drop((watcher, future));
    before.assert_unchanged();
}

fn known_exit_of(stage: &Stage<'_>) -> Box<dyn GatedChild> {
    let (watcher, mut driver) = driven(stage);
    known_exit(stage, &*watcher, &mut *driver)
}

#[track_caller]
fn has_stopped(watcher: &dyn PidWatcher, pid: Pid) {
    let is_stopped = |refused: Result<(), WatchError>| matches!(refused, Err(WatchError::Stopped));
    let probe = Probe::new();
    watcher.unregister_pid(pid);
    assert!(is_stopped(watcher.register_pid(pid)));
    assert!(is_stopped(watcher.watch(pid, probe.callback()).map(drop)));
    let joined = watcher.register_callback(pid, probe.callback());
    assert!(is_stopped(joined.map(drop)));
    assert!(is_stopped(watcher.try_wait(pid).map(drop)));
    let input = std::io::stdin();
    assert!(is_stopped(watcher.register_pidfd(input.as_fd()).map(drop)));
    let watched = watcher.watch_pidfd(input.as_fd(), probe.callback());
    assert!(is_stopped(watched.map(drop)));
    assert!(is_stopped(watcher.pidfd(pid).map(drop)));
    assert!(is_stopped(watcher.send_signal(pid, 0)));
    assert!(probe.captures_are_dropped());
}

pub(super) fn a_watcher_that_is_dropped_first_ends_the_driver(stage: &Stage<'_>) {
    let (child, dead) = (stage.child(), stage.child());
    drop(known_exit_of(stage));
    let before = Footprint::now();
    let (watcher, mut driver) = driven(stage);
    let own = open_files();
    let probe = Probe::new();
    watcher.register_pid(child.pid()).unwrap();
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    watcher.watch(dead.pid(), probe.callback()).unwrap();
    dead.die(End::Code(0));
    drop(watcher);
    assert!(probe.captures_are_dropped());
    assert!(open_files() <= own, "what the processes held is given back");
    for limit in [AT_ONCE, None] {
        assert!(is_readable(&*driver), "the loop learns of the end");
        let ended = driver.drive(limit);
        assert!(matches!(ended, Err(WatchError::Stopped)), "{ended:?}");
    }
    assert!(is_readable(&*driver), "the loop learns of the end");
    drop(driver);
    before.assert_unchanged();
    assert_eq!(probe.runs(), 0);
}

/// After the drop nothing of the watcher runs, also if another thread drives.
pub(super) fn the_drop_of_the_watcher_waits_for_a_callback_in_drive(stage: &Stage<'_>) {
    let (watcher, mut driver) = driven(stage);
    let child = known_exit(stage, &*watcher, &mut *driver);
    let (gate, running, never) = (Gate::new(), Probe::new(), Probe::new());
    let waits = running.callback_then({
        let gate = gate.clone();
        move |_| gate.pass()
    });
    watcher.register_callback(child.pid(), waits).unwrap();
    watcher
        .register_callback(child.pid(), never.callback())
        .unwrap();
    let driving = thread::spawn(move || driver.drive(None));
    gate.wait_until_reached();

    let (tell, told) = mpsc::channel();
    let dropping = thread::spawn(move || {
        tell.send(threads::thread_id()).unwrap();
        drop(watcher);
    });
    let thread = told.recv().unwrap();
    deadline::until("the drop waits, or returns", || {
        dropping.is_finished() || threads::is_asleep(thread)
    });
    for _ in 0..100 {
        thread::yield_now();
    }
    assert!(!dropping.is_finished(), "the callback runs still");
    gate.open();
    dropping.join().unwrap();
    running.ran_once();
    assert!(never.captures_are_dropped());
    assert_eq!(never.runs(), 0);
    assert_eq!(driving.join().unwrap().unwrap(), 1);
}

/// The callback that is driven drops the watcher. Its number is returned, and the end after it.
pub(super) fn a_watcher_dropped_in_its_callback_ends_the_driver(stage: &Stage<'_>) {
    let (watcher, mut driver) = driven(stage);
    let child = known_exit(stage, &*watcher, &mut *driver);
    let watcher = Arc::new(watcher);
    let (first, never) = (Probe::new(), Probe::new());
    let last = Arc::new(Mutex::new(None));
    let drops = first.callback_then({
        let last = Arc::clone(&last);
        move |_| drop(last.lock().unwrap().take())
    });
    watcher.register_callback(child.pid(), drops).unwrap();
    watcher
        .register_callback(child.pid(), never.callback())
        .unwrap();
    *last.lock().unwrap() = Some(watcher);
    assert_eq!(driver.drive(AT_ONCE).unwrap(), 1);
    assert!(never.captures_are_dropped());
    assert!(is_readable(&*driver), "the loop learns of the end");
    let ended = driver.drive(None);
    assert!(matches!(ended, Err(WatchError::Stopped)), "{ended:?}");
    assert_eq!((first.runs(), never.runs()), (1, 0));
}

pub(super) fn a_drive_in_a_copy_answers_forked(stage: &Stage<'_>) {
    let (watcher, mut driver) = driven(stage);
    let child = stage.child();
    let known = known_exit(stage, &*watcher, &mut *driver);
    let probe = Probe::new();
    watcher.watch(child.pid(), probe.callback()).unwrap();
    child.die(End::Code(0));
    watcher
        .register_callback(known.pid(), probe.callback())
        .unwrap();
    in_a_copy("a drive", || {
        let mut drive = |limit| matches!(driver.drive(limit), Err(WatchError::Forked));
        drive(AT_ONCE) && drive(None) && probe.runs() == 0
    });
    // The copy has taken nothing.
    drive_until("both are told", &mut *driver, || probe.runs() == 2);
}

/// A drop in the copy closes nothing of the parent's, and drops no capture.
pub(super) fn a_copy_made_in_a_driven_callback_goes_on(stage: &Stage<'_>) {
    for fork in [birth::Fork::Library, birth::Fork::Raw] {
        let (watcher, mut driver) = driven(stage);
        let child = known_exit(stage, &*watcher, &mut *driver);
        let (probe, later) = (Probe::new(), Probe::new());
        let (tell, told) = mpsc::channel();
        let forks = move |_| {
            // SAFETY: the copy returns to the case, compares plain values and ends.
            match unsafe { birth::fork_twin(fork) } {
                Ok(None) => mem::forget(tell),
                Ok(Some(copy)) => drop(tell.send(copy)),
                Err(_) => drop(tell),
            }
        };
        watcher
            .register_callback(child.pid(), Box::new(forks))
            .unwrap();
        watcher
            .register_callback(child.pid(), later.callback())
            .unwrap();
        let parent = std::process::id();
        let driven = driver.drive(AT_ONCE);
        if std::process::id() != parent {
            let is_forked = matches!(driven, Err(WatchError::Forked));
            let again = matches!(driver.drive(AT_ONCE), Err(WatchError::Forked));
            drop(driver);
            let is_well = is_forked && again && later.runs() == 0 && !later.captures_are_dropped();
            // SAFETY: ends the copy at once.
            unsafe { libc::_exit(i32::from(!is_well)) }
        }
        let copy = told.recv().expect("a copy is made");
        assert_eq!(driven.unwrap(), 2);
        deadline::until("the copy ends", || death::is_waitable(copy));
        let status = death::reap(copy).unwrap();
        assert!(status.success(), "{fork:?}: the copy's {status}");
        watcher
            .register_callback(child.pid(), probe.callback())
            .unwrap();
        assert_eq!(driver.drive(None).unwrap(), 1, "the parent's goes on");
        assert_eq!((probe.runs(), later.runs()), (1, 1));
    }
}
