//! Signals: S14.

use std::os::unix::process::ExitStatusExt;

use childwatch_core::WatchError;
use childwatch_core::source::ExitSource;

use super::processes::Processes;
use super::reports::{report_of, token};

pub(super) fn s14_a_signal_reaches_the_armed_process_or_none<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    let mut child = processes.child();
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
