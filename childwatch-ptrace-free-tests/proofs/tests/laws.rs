//! The laws of an `ExitSource`, S1 to S8, S13 and S14, as the engine relies on them: each source by
//! itself, without an engine. What only an engine can show, the suite has.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not their helpers"
)]

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use childwatch_core::source::{ExitSource, Report, Token};
use childwatch_core::{Pid, WatchError};
use childwatch_pidfd::PidfdSource;
use childwatch_proofs::backends::Sigchld;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::kit::child::{End, GatedChild, Nursery, RealNursery};
use childwatch_ptrace_free_tests::kit::deadline;
use childwatch_sigchld::SigchldSource;
use rustix::process::{PidfdFlags, pidfd_open};

use common::{PATIENCE, cannot_run, child, code, holds, is_over, token};

mod common;

/// Makes a test of a law for each source.
macro_rules! laws {
    ($($law:ident)*) => {
        mod pidfd {
            $(
                #[test]
                fn $law() {
                    super::holds(childwatch_pidfd::probe().check(), || {
                        let (source, mut waiter) = super::PidfdSource::new().unwrap();
                        super::$law(&source, &mut waiter);
                    });
                }
            )*
        }
        mod sigchld {
            $(
                #[test]
                fn $law() {
                    super::holds(childwatch_sigchld::probe().check(), || {
                        let (source, mut waiter) = super::SigchldSource::new().unwrap();
                        super::$law(&source, &mut waiter);
                    });
                }
            )*
        }
        mod sigchld_pollable {
            $(
                #[test]
                fn $law() {
                    super::holds(childwatch_sigchld::probe().check(), || {
                        let (source, mut waiter) = super::SigchldSource::pollable().unwrap();
                        super::$law(&source, &mut waiter);
                    });
                }
            )*
        }
        mod sigchld_without_heartbeat {
            $(
                #[test]
                fn $law() {
                    super::holds(childwatch_sigchld::probe().check(), || {
                        let (source, mut waiter) =
                            super::SigchldSource::without_heartbeat_for_tests().unwrap();
                        super::$law(&source, &mut waiter);
                    });
                }
            )*
        }
    };
}

laws! {
    s1_an_exit_is_reported_before_the_arming_or_after
    s2_a_report_names_its_token_whatever_the_order
    s3_a_disarmed_process_is_not_reported_and_others_are
    s3_a_places_next_holder_is_another
    s4_a_waking_ends_the_wait_under_way_or_the_next
    s5_a_refused_arming_leaves_nothing
    s8_a_look_finds_an_exit_and_leaves_its_report
    s13_a_pidfd_means_its_process_and_not_the_number
    s13_a_kept_duplicate_harms_no_later_arming
    s14_a_signal_reaches_the_armed_process_or_none
    a_process_is_reaped_when_somebody_has_waited_for_it
    a_numbers_next_process_is_not_the_one_that_was_armed
    an_armed_child_stays_in_its_process_group
}

fn pidfd_of(child: &dyn GatedChild) -> OwnedFd {
    let number = rustix::process::Pid::from_raw(child.pid().as_raw());
    pidfd_open(number.unwrap(), PidfdFlags::empty()).unwrap()
}

/// Sources without pidfds refuse all of them.
fn takes_pidfds<S: ExitSource>(source: &S, pidfd: &OwnedFd, pid: Pid) -> bool {
    match source.pid_of(pidfd.as_fd()) {
        Ok(of_its_process) => {
            assert_eq!(of_its_process, pid);
            true
        }
        Err(WatchError::Unsupported { .. }) => {
            let refused = source.arm_pidfd(pid, pidfd.as_fd(), token(0));
            assert!(matches!(refused, Err(WatchError::Unsupported { .. })));
            let refused = source.pidfd(pid, token(0));
            assert!(matches!(refused, Err(WatchError::Unsupported { .. })));
            false
        }
        Err(other) => panic!("{other}"),
    }
}

/// Its process is reaped between the two calls, and another one has the number.
fn s13_a_pidfd_means_its_process_and_not_the_number<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
) {
    let mut old = child();
    let pid = old.pid();
    let pidfd = pidfd_of(&*old);
    if !takes_pidfds(source, &pidfd, pid) {
        return;
    }
    old.die(End::Code(3));
    old.reap();
    let new = match RealNursery.can_choose_pids() {
        Ok(()) => successor(pid),
        Err(reason) => return cannot_run(&reason),
    };
    source.arm_pidfd(pid, pidfd.as_fd(), token(0)).unwrap();
    let report = only_report(token(0), source, waiter);
    assert!(code(report).is_none_or(|code| code == 3));
    assert!(source.is_reaped(token(0)));
    source.disarm(token(0));
    let refused = source.pidfd(pid, token(0));
    assert!(matches!(refused, Err(WatchError::NotRegistered { .. })));
    drop(new);
}

fn s13_a_kept_duplicate_harms_no_later_arming<S: ExitSource>(source: &S, waiter: &mut S::Waiter) {
    let child = child();
    let pid = child.pid();
    let pidfd = pidfd_of(&*child);
    if !takes_pidfds(source, &pidfd, pid) {
        return;
    }
    child.die(End::Code(3));
    for index in 0..3 {
        let token = token(index);
        source.arm_pidfd(pid, pidfd.as_fd(), token).unwrap();
        only_report(token, source, waiter);
        source.disarm(token);
    }
    // The same with a pidfd that the source has opened.
    source.arm(pid, token(3)).unwrap();
    let kept = source.pidfd(pid, token(3)).unwrap();
    only_report(token(3), source, waiter);
    source.disarm(token(3));
    source.arm_pidfd(pid, kept.as_fd(), token(4)).unwrap();
    only_report(token(4), source, waiter);
    source.disarm(token(4));
}

fn s14_a_signal_reaches_the_armed_process_or_none<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
) {
    let mut child = child();
    let pid = child.pid();
    let send = |signal| source.send_signal(pid, token(0), signal);
    let refused = send(9);
    assert!(matches!(refused, Err(WatchError::NotRegistered { .. })));
    source.arm(pid, token(0)).unwrap();
    send(0).unwrap();
    send(15).unwrap();
    let report = report_of(token(0), source, waiter);
    assert_eq!(report.status.unwrap().signal(), Some(15));
    send(9).unwrap();
    child.reap();
    let refused = send(9);
    assert!(matches!(refused, Err(WatchError::NoSuchProcess { .. })));
    source.disarm(token(0));
}

/// Until it executes a program, its parent may move it to another group. A source that asks
/// whether it is a child must not.
fn an_armed_child_stays_in_its_process_group<S: ExitSource>(source: &S, _waiter: &mut S::Waiter) {
    let child = child();
    let group = || {
        let number = rustix::process::Pid::from_raw(child.pid().as_raw());
        rustix::process::getpgid(number).unwrap()
    };
    let before = group();
    source.arm(child.pid(), token(0)).unwrap();
    source.look(token(0));
    source.is_reaped(token(0));
    assert_eq!(group(), before);
    source.disarm(token(0));
    assert_eq!(group(), before);
}

fn s1_an_exit_is_reported_before_the_arming_or_after<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
) {
    let (zombie, child) = (child(), child());
    zombie.die(End::Code(3));
    source.arm(zombie.pid(), token(0)).unwrap();
    source.arm(child.pid(), token(1)).unwrap();
    let report = only_report(token(0), source, waiter);
    assert_eq!(code(report), Some(3));
    child.die(End::Code(4));
    let report = report_of(token(1), source, waiter);
    assert_eq!(code(report), Some(4));
}

fn s2_a_report_names_its_token_whatever_the_order<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
) {
    // The places come in no order, and with gaps.
    let children = [7, 2, 300, 0].map(|place| (token(place), child()));
    for (token, child) in &children {
        source.arm(child.pid(), *token).unwrap();
    }
    for (token, child) in children.iter().rev() {
        child.die(End::Code(token.index() as u8));
        let report = report_of(*token, source, waiter);
        assert_eq!(code(report), Some(i32::from(token.index() as u8)));
    }
}

fn s3_a_disarmed_process_is_not_reported_and_others_are<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
) {
    let (first, second) = (child(), child());
    source.arm(first.pid(), token(0)).unwrap();
    source.arm(second.pid(), token(1)).unwrap();
    source.disarm(token(0));
    assert!(source.is_reaped(token(0)), "it is not armed");
    assert!(!source.is_reaped(token(1)));
    first.die(End::Code(0));
    second.die(End::Code(0));
    only_report(token(1), source, waiter);
}

fn s3_a_places_next_holder_is_another<S: ExitSource>(source: &S, waiter: &mut S::Waiter) {
    let (old, new) = (Token::from_parts(0, 1), Token::from_parts(0, 2));
    let (mut first, second) = (child(), child());
    source.arm(first.pid(), old).unwrap();
    first.die(End::Code(0));
    source.disarm(old);
    source.arm(second.pid(), new).unwrap();
    assert!(source.is_reaped(old), "it is not armed");
    assert!(!source.is_reaped(new));
    // A second event, on some kernels.
    first.reap();
    second.die(End::Code(0));
    only_report(new, source, waiter);
}

fn s4_a_waking_ends_the_wait_under_way_or_the_next<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
) {
    let child = child();
    source.arm(child.pid(), token(0)).unwrap();
    let mut reports = Vec::new();
    source.wake().unwrap();
    is_over(source.wait(waiter, &mut reports));
    assert_eq!(reports, []);
    thread::scope(|scope| {
        scope.spawn(|| source.wake().unwrap());
        is_over(source.wait(waiter, &mut reports));
    });
    assert_eq!(reports, []);
}

fn s8_a_look_finds_an_exit_and_leaves_its_report<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
) {
    let (mut child, other) = (child(), child());
    assert_eq!(source.look(token(0)), None, "it is not armed");
    source.arm(child.pid(), token(0)).unwrap();
    source.arm(other.pid(), token(1)).unwrap();
    assert_eq!(source.look(token(0)), None, "it lives");
    child.die(End::Code(3));
    for _ in 0..2 {
        let found = source.look(token(0)).unwrap();
        assert_eq!((found.token, code(found)), (token(0), Some(3)));
        assert_eq!(source.look(token(1)), None, "another lives");
    }
    let report = only_report(token(0), source, waiter);
    assert_eq!(code(report), Some(3));
    for _ in 0..2 {
        assert_eq!(
            source.look(token(0)).map(code),
            Some(Some(3)),
            "it was reported"
        );
    }
    child.reap();
    assert!(source.look(token(0)).is_some(), "it was reaped");
    source.disarm(token(0));
    assert_eq!(source.look(token(0)), None, "it is not armed");
    assert_eq!(source.look(token(1)), None, "another lives");
}

fn s5_a_refused_arming_leaves_nothing<S: ExitSource>(source: &S, waiter: &mut S::Waiter) {
    let nobody = Pid::try_from(i32::MAX).unwrap();
    let refused = source.arm(nobody, token(0));
    assert!(matches!(refused, Err(WatchError::NoSuchProcess { .. })));
    let own = Pid::try_from(std::process::id()).unwrap();
    let refused = source.arm(own, token(0));
    assert!(matches!(refused, Err(WatchError::OwnProcess { .. })));
    assert!(source.is_reaped(token(0)), "it is not armed");

    let child = child();
    source.arm(child.pid(), token(0)).unwrap();
    child.die(End::Code(0));
    only_report(token(0), source, waiter);
}

fn a_process_is_reaped_when_somebody_has_waited_for_it<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
) {
    // Reported before it is reaped, and after.
    for is_reported in [true, false] {
        let mut child = child();
        source.arm(child.pid(), token(0)).unwrap();
        assert!(!source.is_reaped(token(0)), "it lives");
        child.die(End::Code(0));
        assert!(!source.is_reaped(token(0)), "it is a zombie");
        if is_reported {
            report_of(token(0), source, waiter);
            assert!(!source.is_reaped(token(0)), "it is a zombie still");
        }
        child.reap();
        assert!(source.is_reaped(token(0)));
        if !is_reported {
            report_of(token(0), source, waiter);
        }
        assert!(source.is_reaped(token(0)));
        source.disarm(token(0));
    }
}

fn a_numbers_next_process_is_not_the_one_that_was_armed<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
) {
    if let Err(reason) = RealNursery.can_choose_pids() {
        cannot_run(&reason);
        return;
    }
    let mut former = child();
    let pid = former.pid();
    source.arm(pid, token(0)).unwrap();
    former.die(End::Code(5));
    report_of(token(0), source, waiter);
    former.reap();
    let next = successor(pid);
    source.arm(pid, token(1)).unwrap();
    assert!(source.is_reaped(token(0)));
    assert!(!source.is_reaped(token(1)));
    source.disarm(token(0));
    next.die(End::Code(6));
    let report = report_of(token(1), source, waiter);
    assert_eq!(code(report), Some(6));
}

/// A number's next process. A source without pidfds may take two of one tick for the same.
fn successor(pid: Pid) -> Box<dyn GatedChild> {
    deadline::await_next(Sigchld.unit_of_start_times());
    RealNursery.spawn_as(pid)
}

/// A report of this token, and none of another.
fn only_report<S: ExitSource>(token: Token, source: &S, waiter: &mut S::Waiter) -> Report {
    let reports = next_reports(source, waiter);
    assert!(reports.iter().all(|report| report.token == token));
    reports[0].clone()
}

/// A report of this token; repeats of others are allowed (S2).
fn report_of<S: ExitSource>(token: Token, source: &S, waiter: &mut S::Waiter) -> Report {
    loop {
        let reports = next_reports(source, waiter);
        if let Some(report) = reports.iter().find(|report| report.token == token) {
            return report.clone();
        }
    }
}

/// Waits for a report. A wait that does not end by itself is woken.
fn next_reports<S: ExitSource>(source: &S, waiter: &mut S::Waiter) -> Vec<Report> {
    let mut reports = Vec::new();
    thread::scope(|scope| {
        let (over, comes) = mpsc::channel::<()>();
        scope.spawn(move || {
            if let Err(RecvTimeoutError::Timeout) = comes.recv_timeout(PATIENCE) {
                source.wake().expect("a source that wakes");
            }
        });
        let end = Instant::now() + PATIENCE;
        while reports.is_empty() && Instant::now() < end {
            is_over(source.wait(waiter, &mut reports));
        }
        drop(over);
    });
    assert!(!reports.is_empty(), "an exit is not reported");
    reports
}
