//! Reports, and the waits for them.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use childwatch_core::source::{ExitSource, Report, Token};

use crate::kit::deadline;

pub(super) fn token(index: u32) -> Token {
    Token::from_parts(index, 0)
}

pub(super) fn code(report: Report) -> Option<i32> {
    report.status?.code()
}

/// Returns what a wait has returned, or `None` if a signal has interrupted it.
///
/// # Panics
///
/// If the kernel has refused it.
#[track_caller]
pub(super) fn is_over<T>(waited: io::Result<T>) -> Option<T> {
    match waited {
        Ok(told) => Some(told),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
        Err(error) => panic!("{error}"),
    }
}

/// Waits for a report of this token, and accepts none of another.
#[track_caller]
pub(super) fn only_report<S: ExitSource>(
    token: Token,
    source: &S,
    waiter: &mut S::Waiter,
) -> Report {
    let reports = next_reports(source, waiter);
    let mut others = reports.iter().filter(|report| report.token != token);
    assert_eq!(others.next(), None, "a report of another process");
    reports[0].clone()
}

/// Waits for a report of this token. Repeats of others are allowed (S2).
#[track_caller]
pub(super) fn report_of<S: ExitSource>(token: Token, source: &S, waiter: &mut S::Waiter) -> Report {
    loop {
        let reports = next_reports(source, waiter);
        if let Some(report) = reports.iter().find(|report| report.token == token) {
            return report.clone();
        }
    }
}

/// Waits for a report. A wait that does not end by itself is woken.
#[track_caller]
pub(super) fn next_reports<S: ExitSource>(source: &S, waiter: &mut S::Waiter) -> Vec<Report> {
    let patience = deadline::patience();
    let mut reports = Vec::new();
    thread::scope(|scope| {
        let (over, comes) = mpsc::channel::<()>();
        scope.spawn(move || {
            if let Err(RecvTimeoutError::Timeout) = comes.recv_timeout(patience) {
                source.wake().expect("a source that wakes");
            }
        });
        let end = Instant::now() + patience;
        while reports.is_empty() && Instant::now() < end {
            is_over(source.wait(waiter, &mut reports));
        }
        drop(over);
    });
    assert!(
        !reports.is_empty(),
        "an exit is not reported within {patience:?}"
    );
    reports
}
