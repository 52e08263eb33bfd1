//! What `wait` reports and when it ends: S1, S2, S4 and S7.

use std::thread;

use childwatch_core::source::ExitSource;

use super::processes::Processes;
use super::reports::{code, is_over, next_reports, only_report, report_of, token};
use crate::kit::child::End;
use crate::kit::sys::limits::NoFiles;

pub(super) fn s1_an_exit_is_reported_before_the_arming_or_after<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    let (zombie, child) = (processes.child(), processes.child());
    zombie.die(End::Code(3));
    source.arm(zombie.pid(), token(0)).unwrap();
    source.arm(child.pid(), token(1)).unwrap();
    let report = only_report(token(0), source, waiter);
    assert_eq!(code(report), Some(3));
    child.die(End::Code(4));
    let report = report_of(token(1), source, waiter);
    assert_eq!(code(report), Some(4));
}

pub(super) fn s2_a_report_names_its_token_whatever_the_order<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    // The places come in no order, and with gaps.
    let children = [7, 2, 300, 0].map(|place| (token(place), processes.child()));
    for (token, child) in &children {
        source.arm(child.pid(), *token).unwrap();
    }
    let mut exited = Vec::new();
    for (token, child) in children.iter().rev() {
        child.die(End::Code(token.index() as u8));
        exited.push(*token);
        let mut is_reported = false;
        while !is_reported {
            for report in next_reports(source, waiter) {
                assert!(exited.contains(&report.token), "a living child: {report:?}");
                is_reported |= report.token == *token;
                let expected = i32::from(report.token.index() as u8);
                assert_eq!(code(report), Some(expected));
            }
        }
    }
}

/// A source may find many events in one wait.
pub(super) fn s2_exits_that_come_together_are_all_reported<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    const CHILDREN: u32 = 200;
    let children: Vec<_> = (0..CHILDREN).map(|_| processes.child()).collect();
    for (index, child) in (0..).zip(&children) {
        source.arm(child.pid(), token(index)).unwrap();
    }
    for child in &children {
        child.die(End::Code(0));
    }
    let mut is_reported = vec![false; children.len()];
    while is_reported.contains(&false) {
        for report in next_reports(source, waiter) {
            is_reported[report.token.index() as usize] = true;
        }
    }
}

/// A program may lower its limit of open files to 0.
pub(super) fn s2_an_exit_is_reported_where_no_file_can_be_opened<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    let child = processes.child();
    source.arm(child.pid(), token(0)).unwrap();
    let none = NoFiles::begin();
    child.die(End::Code(3));
    let report = only_report(token(0), source, waiter);
    assert_eq!(code(report), Some(3));
    drop(none);
}

pub(super) fn s4_a_waking_ends_the_wait_under_way_or_the_next<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    let child = processes.child();
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

pub(super) fn s7_a_report_has_the_status_of_the_child<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    let ends = [
        End::Code(0),
        End::Code(255),
        End::Signal(9),
        End::Signal(15),
    ];
    for (index, end) in (0..).zip(ends) {
        let mut child = processes.child();
        source.arm(child.pid(), token(index)).unwrap();
        child.die(end);
        let report = report_of(token(index), source, waiter);
        assert_eq!(report.status, child.reap(), "{end:?}");
        source.disarm(token(index));
    }
    // What is not known is not guessed.
    let mut child = processes.child();
    source.arm(child.pid(), token(0)).unwrap();
    child.die(End::Code(7));
    let status = child.reap();
    let report = report_of(token(0), source, waiter);
    assert!(
        report.status.is_none() || report.status == status,
        "{report:?}"
    );
}
