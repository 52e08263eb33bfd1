//! Pidfds: S13.

use std::os::fd::AsFd;

use childwatch_core::WatchError;
use childwatch_core::source::ExitSource;

use super::processes::{Processes, pidfd_of};
use super::reports::{code, only_report, report_of, token};
use crate::kit::child::End;

/// Its process is reaped between the two calls, and another one has the number.
pub(super) fn s13_a_pidfd_means_its_process_and_not_the_number<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    let mut old = processes.child();
    let pid = old.pid();
    let pidfd = pidfd_of(&*old).unwrap();
    old.die(End::Code(3));
    old.reap();
    let new = processes.successor(pid);
    source.arm_pidfd(pid, pidfd.as_fd(), token(0)).unwrap();
    let report = only_report(token(0), source, waiter);
    assert!(code(report).is_none_or(|code| code == 3));
    assert!(source.is_reaped(token(0)));
    source.disarm(token(0));
    let refused = source.pidfd(pid, token(0));
    assert!(matches!(refused, Err(WatchError::NotRegistered { .. })));
    drop(new);
}

pub(super) fn s13_a_kept_duplicate_harms_no_later_arming<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    let child = processes.child();
    let pid = child.pid();
    let pidfd = pidfd_of(&*child).unwrap();
    child.die(End::Code(3));
    let mut kept = Vec::new();
    for index in 0..3 {
        let token = token(index);
        source.arm_pidfd(pid, pidfd.as_fd(), token).unwrap();
        kept.push(source.pidfd(pid, token).unwrap());
        report_of(token, source, waiter);
        source.disarm(token);
    }
    // The same with a pidfd that the source has opened, if it has.
    source.arm(pid, token(3)).unwrap();
    let opened = match source.pidfd(pid, token(3)) {
        Err(WatchError::Unsupported { .. }) => pidfd,
        given => given.unwrap(),
    };
    report_of(token(3), source, waiter);
    source.disarm(token(3));
    source.arm_pidfd(pid, opened.as_fd(), token(4)).unwrap();
    report_of(token(4), source, waiter);
    source.disarm(token(4));
}
