//! What a test may do to simulated processes, and what a watcher then sees.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::contract::pid::Pid;
use crate::contract::watcher::PidWatcher;
use crate::platform::readable::await_readable;
use crate::source::exit_source::ExitSource;
use crate::source::pollable::PollableSource;
use crate::source::token::Token;

fn pid(raw: i32) -> Pid {
    Pid::try_from(raw).unwrap()
}

#[test]
fn a_process_takes_the_lowest_free_number_or_the_one_it_is_given() {
    let processes = SimulatedProcesses::new();
    let mut free = (1000..)
        .map(pid)
        .filter(|pid| u32::from(*pid) != std::process::id());
    assert_eq!(Some(processes.spawn()), free.next());
    let given = free.next().unwrap();
    assert!(processes.spawn_with_pid(given));
    assert_eq!(Some(processes.spawn()), free.next());
    assert!(!processes.spawn_with_pid(given), "it is taken");
}

#[test]
fn a_process_exits_once_and_is_reaped_once() {
    let processes = SimulatedProcesses::new();
    let (three, nine) = (ExitStatus::from_raw(3 << 8), ExitStatus::from_raw(9));
    assert!(!processes.exit(pid(1000), three), "there is none");
    let child = processes.spawn();
    assert_eq!(processes.reap(child), None, "it lives");
    assert!(processes.exit(child, three));
    assert!(!processes.exit(child, nine), "it is dead");
    assert!(!processes.spawn_with_pid(child), "a zombie has its number");
    assert_eq!(processes.reap(child), Some(three));
    assert_eq!(processes.reap(child), None);
    assert_eq!(processes.spawn(), child, "the number is free");
}

#[test]
fn signals_are_recorded_while_the_process_lives_and_answered_without_a_lock() {
    let processes = SimulatedProcesses::new();
    let watcher = SimulatedWatcher::new(&processes).unwrap();
    let child = processes.spawn();
    assert!(!processes.on_signal(pid(1), |_, _, _| ()), "there is none");
    watcher.register_pid(child).unwrap();
    watcher.send_signal(child, 1).unwrap();
    assert!(processes.on_signal(child, |processes, pid, signal| {
        assert_eq!(processes.signals(pid), [1, signal]);
        assert!(processes.exit(pid, ExitStatus::from_raw(signal)));
    }));
    watcher.send_signal(child, 0).unwrap();
    watcher.send_signal(child, 15).unwrap();
    // It is a zombie now.
    watcher.send_signal(child, 9).unwrap();
    assert_eq!(processes.signals(child), [1, 15]);
    assert_eq!(processes.reap(child), Some(ExitStatus::from_raw(15)));
    assert!(processes.spawn_with_pid(child));
    let refused = watcher.send_signal(child, 9);
    assert!(matches!(refused, Err(WatchError::NoSuchProcess { .. })));
    assert_eq!(processes.signals(child), []);
}

#[test]
fn the_own_process_is_absent_in_its_own_way_unless_its_number_is_simulated() {
    let processes = SimulatedProcesses::new();
    let watcher = SimulatedWatcher::new(&processes).unwrap();
    let own = Pid::try_from(std::process::id()).unwrap();
    let refused = watcher.register_pid(own);
    assert!(matches!(refused, Err(WatchError::OwnProcess { pid }) if pid == own));
    let refused = watcher.register_pid(pid(i32::MAX));
    assert!(matches!(refused, Err(WatchError::NoSuchProcess { .. })));
    assert!(processes.spawn_with_pid(own));
    assert!(watcher.register_pid(own).is_ok());
}

#[test]
fn registrations_are_counted_over_all_watchers_until_they_go() {
    let processes = SimulatedProcesses::new();
    let watchers = [(); 2].map(|()| SimulatedWatcher::new(&processes).unwrap());
    let children = [processes.spawn(), processes.spawn()];
    for watcher in &watchers {
        for child in children {
            watcher.register_pid(child).unwrap();
        }
    }
    assert_eq!(processes.registration_count(), 4);
    let [first, second] = watchers;
    first.unregister_pid(children[0]);
    assert_eq!(processes.registration_count(), 3);
    drop(second);
    assert_eq!(processes.registration_count(), 1);
}

#[test]
fn a_former_process_is_disarmed_and_the_numbers_next_one_is_not() {
    let processes = SimulatedProcesses::new();
    let source = SimulatedSource::new(&processes);
    let child = processes.spawn();
    let (old, new) = (Token::from_parts(0, 0), Token::from_parts(1, 0));
    source.arm(child, old).unwrap();
    assert!(!source.is_reaped(old));
    assert!(processes.exit(child, ExitStatus::from_raw(0)));
    assert!(!source.is_reaped(old), "it is a zombie");
    assert!(processes.reap(child).is_some());
    assert!(source.is_reaped(old));

    assert!(processes.spawn_with_pid(child));
    source.arm(child, new).unwrap();
    assert!(source.is_reaped(old));
    assert!(!source.is_reaped(new));
    source.disarm(old);
    assert_eq!(processes.registration_count(), 1);
    source.disarm(new);
    assert_eq!(processes.registration_count(), 0);
    assert!(source.is_reaped(new), "it is not armed");
}

#[test]
fn a_process_that_is_reaped_at_once_is_over_with_the_status_that_is_known() {
    for status in [None, Some(ExitStatus::from_raw(3 << 8))] {
        let processes = SimulatedProcesses::new();
        let (watcher, _driver) = SimulatedWatcher::driven(&processes).unwrap();
        let former = processes.spawn();
        watcher.register_pid(former).unwrap();
        assert!(processes.exit_reaped(former, status));
        assert!(!processes.exit_reaped(former, status), "it is gone");
        assert_eq!(processes.reap(former), None);
        let exit = watcher.try_wait(former).unwrap().unwrap();
        assert_eq!(exit.status(), status);
        // The pid is free, and its next process is another one (C13).
        assert!(processes.spawn_with_pid(former));
        watcher.register_pid(former).unwrap();
        assert_eq!(watcher.try_wait(former).unwrap(), None);
    }
}

/// What a reaction or a refusal has captured may call the processes.
#[test]
fn what_a_test_has_given_to_a_process_is_dropped_without_the_lock() {
    #[derive(Debug)]
    struct Calls(SimulatedProcesses);
    impl Drop for Calls {
        fn drop(&mut self) {
            assert!(self.0.0.try_lock().is_ok());
        }
    }
    impl std::fmt::Display for Calls {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Ok(())
        }
    }
    impl std::error::Error for Calls {}

    let processes = SimulatedProcesses::new();
    let reacts = |pid| {
        let calls = Calls(processes.clone());
        assert!(processes.on_signal(pid, move |_, _, _| assert!(format!("{calls}").is_empty())));
    };
    let refuses = |pid| {
        let error = io::Error::other(Calls(processes.clone()));
        processes.refuse_registration(
            pid,
            WatchError::Os {
                operation: "a test",
                pid: None,
                source: error,
            },
        );
    };
    let [reaped, gone] = [(); 2].map(|()| processes.spawn());
    for pid in [reaped, reaped, gone] {
        reacts(pid);
        refuses(pid);
    }
    assert!(processes.exit(reaped, ExitStatus::from_raw(0)));
    assert!(processes.reap(reaped).is_some());
    assert!(processes.exit_reaped(gone, None));
}

#[test]
fn a_refusal_is_for_one_registration_of_one_pid() {
    let processes = SimulatedProcesses::new();
    let (watcher, _driver) = SimulatedWatcher::driven(&processes).unwrap();
    let [refused, other] = [(); 2].map(|()| processes.spawn());
    let pid = refused;
    processes.refuse_registration(pid, WatchError::NotAChild { pid, source: None });
    watcher.register_pid(other).unwrap();
    let answer = watcher.register_pid(pid);
    assert!(matches!(answer, Err(WatchError::NotAChild { .. })));
    assert_eq!(processes.registration_count(), 1, "that of the other");
    watcher.register_pid(pid).unwrap();
}

/// S10: if the mail were taken first, mail that comes in between would lie there without a bell.
#[test]
fn the_bell_is_taken_before_the_mail() {
    const LONG: Duration = Duration::from_secs(20);
    let source = PollableSimulatedSource::new(&SimulatedProcesses::new()).unwrap();
    source.wake().unwrap();
    let start = Instant::now();
    thread::scope(|scope| {
        let mail = source.hold_up();
        let collecting = scope.spawn(|| source.collect(&mut (), &mut Vec::new()));
        while await_readable(source.descriptor(&()), Some(Duration::ZERO)).unwrap() {
            assert!(start.elapsed() < LONG, "it takes the mail first");
            thread::yield_now();
        }
        drop(mail);
        collecting.join().unwrap().unwrap();
    });
}
