//! What a look finds, S8, and when a process has been reaped.

use childwatch_core::source::ExitSource;

use super::processes::Processes;
use super::reports::{code, only_report, report_of, token};
use crate::kit::child::End;

pub(super) fn s8_a_look_finds_an_exit_and_leaves_its_report<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    let (mut child, other) = (processes.child(), processes.child());
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

pub(super) fn a_process_is_reaped_when_somebody_has_waited_for_it<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    // Reported before it is reaped, and after.
    for is_reported in [true, false] {
        let mut child = processes.child();
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

pub(super) fn a_numbers_next_process_is_not_the_one_that_was_armed<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    let mut former = processes.child();
    let pid = former.pid();
    source.arm(pid, token(0)).unwrap();
    former.die(End::Code(5));
    report_of(token(0), source, waiter);
    former.reap();
    let next = processes.successor(pid);
    source.arm(pid, token(1)).unwrap();
    assert!(source.is_reaped(token(0)));
    assert!(!source.is_reaped(token(1)));
    source.disarm(token(0));
    next.die(End::Code(6));
    let report = report_of(token(1), source, waiter);
    assert_eq!(code(report), Some(6));
}
