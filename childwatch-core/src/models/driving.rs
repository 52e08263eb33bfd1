//! A driver against the threads that register, cancel and drop.
//!
//! Each loop drives only when the descriptor is readable. So an event for which it is not, and
//! that is not driven, is a deadlock to loom.

use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use super::source::{Kernel, Source, pid};
use super::stage::Met;
use super::trace::{Fate, Trace};
use crate::contract::callback::Unregistered;
use crate::contract::error::WatchError;
use crate::contract::watcher::PidWatcher;
use crate::engine::driven::DrivenWatcher;
use crate::engine::driver::Driver;
use crate::models::interleavings;

/// Some processes that can exit, a watcher of them, and its driver.
fn stage() -> (Kernel, Arc<DrivenWatcher<Source>>, Driver<Source>) {
    let kernel = Kernel::default();
    let (watcher, driver) = DrivenWatcher::new(kernel.source(), ());
    (kernel, Arc::new(watcher), driver)
}

/// Drives when the descriptor is readable, until so many callbacks have run.
fn drive(kernel: &Kernel, driver: &mut Driver<Source>, callbacks: usize) {
    let mut ran = 0;
    while ran < callbacks {
        kernel.wait_until_readable();
        ran += driver.drive(Some(Duration::ZERO)).unwrap();
    }
}

/// Drives until the watcher has ended. Returns how many callbacks have run.
fn drive_to_the_end(kernel: &Kernel, driver: &mut Driver<Source>) -> usize {
    let mut ran = 0;
    loop {
        kernel.wait_until_readable();
        match driver.drive(Some(Duration::ZERO)) {
            Ok(callbacks) => ran += callbacks,
            Err(WatchError::Stopped) => return ran,
            Err(error) => panic!("{error}"),
        }
    }
}

/// C3: the exit comes before the registration, during it, or after.
#[test]
fn an_exit_that_races_its_registration_makes_the_descriptor_readable() {
    interleavings::preempted(3, || {
        let (kernel, watcher, mut driver) = stage();
        let pid = pid(1);
        let trace = Trace::new();
        let exiting = thread::spawn({
            let kernel = kernel.clone();
            move || kernel.exit(pid)
        });
        let registering = thread::spawn({
            let (watcher, trace) = (Arc::clone(&watcher), Arc::clone(&trace));
            move || watcher.watch(pid, trace.callback()).map(drop)
        });
        drive(&kernel, &mut driver, 1);
        assert_eq!(trace.fate(), Fate::HasRun);
        registering.join().unwrap().unwrap();
        exiting.join().unwrap();
        assert!(driver.drive(Some(Duration::ZERO)).unwrap() == 0);
        assert!(!kernel.is_readable(), "nothing is due");
    });
}

/// C5: a late callback is taken along by the round under way, or has the driver woken.
#[test]
fn a_late_callback_that_races_a_drive_is_driven() {
    interleavings::preempted(3, || {
        let (kernel, watcher, mut driver) = stage();
        let pid = pid(1);
        watcher.register_pid(pid).unwrap();
        let [first, second] = [Trace::new(), Trace::new()];
        watcher.register_callback(pid, first.callback()).unwrap();
        kernel.exit(pid);
        let registering = thread::spawn({
            let (watcher, second) = (Arc::clone(&watcher), Arc::clone(&second));
            move || watcher.register_callback(pid, second.callback()).map(drop)
        });
        drive(&kernel, &mut driver, 2);
        registering.join().unwrap().unwrap();
        assert_eq!([first.fate(), second.fate()], [Fate::HasRun; 2]);
    });
}

/// C9: the call waits for a callback that is driven, and never for one that nobody drives.
#[test]
fn a_cancel_races_the_drive_and_its_end() {
    let met = Met::new();
    interleavings::preempted(4, {
        let met = met.clone();
        move || {
            let (kernel, watcher, mut driver) = stage();
            let pid = pid(1);
            let trace = Trace::new();
            let handle = watcher.watch(pid, trace.callback()).unwrap();
            kernel.exit(pid);
            let cancelling = thread::spawn({
                let (watcher, trace) = (Arc::clone(&watcher), Arc::clone(&trace));
                move || {
                    let expected = match watcher.unregister_callback(handle) {
                        Unregistered::WillNotRun => Fate::DroppedUnrun,
                        Unregistered::HasRun => Fate::HasRun,
                        other => unreachable!("{other:?}"),
                    };
                    assert_eq!(trace.fate(), expected);
                    expected
                }
            });
            // Nobody drives again.
            driver.drive(Some(Duration::ZERO)).unwrap();
            met.note(cancelling.join().unwrap());
            assert_eq!(kernel.armed(), 0);
        }
    });
    met.assert([Fate::HasRun, Fate::DroppedUnrun]);
}

/// C12: the drop waits for the drive that is running a callback, and the loop learns of the end.
#[test]
fn a_watcher_that_is_dropped_during_a_drive_ends_the_driver() {
    let met = Met::new();
    interleavings::preempted(3, {
        let met = met.clone();
        move || {
            let (kernel, watcher, mut driver) = stage();
            let pid = pid(1);
            let traces = [Trace::new(), Trace::new()];
            for trace in &traces {
                watcher.watch(pid, trace.callback()).unwrap();
            }
            kernel.exit(pid);
            let driving = thread::spawn({
                let kernel = kernel.clone();
                move || {
                    let ran = drive_to_the_end(&kernel, &mut driver);
                    assert!(kernel.is_readable(), "until the driver is dropped");
                    ran
                }
            });
            drop(watcher);
            let fates = [traces[0].fate(), traces[1].fate()];
            let ran = driving.join().unwrap();
            assert_eq!([traces[0].fate(), traces[1].fate()], fates);
            let has_run = fates.iter().filter(|fate| **fate == Fate::HasRun).count();
            assert_eq!(ran, has_run);
            assert_eq!(kernel.armed(), 0);
            met.note(fates);
        }
    });
    met.assert([
        [Fate::HasRun, Fate::HasRun],
        [Fate::HasRun, Fate::DroppedUnrun],
        [Fate::DroppedUnrun, Fate::DroppedUnrun],
    ]);
}

/// C12: the registration comes first and is given back, or is refused.
#[test]
fn a_driver_that_is_dropped_during_a_registration_leaves_nothing() {
    let met = Met::new();
    interleavings::preempted(4, {
        let met = met.clone();
        move || {
            let (kernel, watcher, driver) = stage();
            let pid = pid(1);
            let trace = Trace::new();
            let registering = thread::spawn({
                let (watcher, trace) = (Arc::clone(&watcher), Arc::clone(&trace));
                move || match watcher.watch(pid, trace.callback()) {
                    Ok(_) => true,
                    Err(WatchError::Stopped) => false,
                    Err(error) => panic!("{error}"),
                }
            });
            drop(driver);
            met.note(registering.join().unwrap());
            assert_eq!(trace.fate(), Fate::DroppedUnrun);
            assert_eq!(kernel.armed(), 0);
        }
    });
    met.assert([true, false]);
}

/// C12: each token is disarmed once, by the drop or by the call.
#[test]
fn a_driver_that_is_dropped_during_the_end_of_a_registration_leaves_nothing() {
    interleavings::preempted(4, || {
        let (kernel, watcher, driver) = stage();
        let (first, second) = (pid(1), pid(2));
        watcher.register_pid(first).unwrap();
        let trace = Trace::new();
        let handle = watcher.watch(second, trace.callback()).unwrap();
        let ending = thread::spawn({
            let watcher = Arc::clone(&watcher);
            move || {
                watcher.unregister_pid(first);
                watcher.unregister_callback(handle);
            }
        });
        drop(driver);
        ending.join().unwrap();
        assert_eq!(trace.fate(), Fate::DroppedUnrun);
        assert_eq!(kernel.armed(), 0);
    });
}
