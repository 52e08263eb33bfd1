//! Arming and disarming: S3, S5 and S6, and that neither changes the process.

use std::thread;

use childwatch_core::source::{ExitSource, Token};
use childwatch_core::{Pid, WatchError};

use super::processes::Processes;
use super::reports::{code, next_reports, only_report, report_of, token};
use crate::kit::child::End;
use crate::kit::footprint::open_files;
use crate::kit::sys::limits::FewFiles;

pub(super) fn s3_a_disarmed_process_is_not_reported_and_others_are<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    let (first, second) = (processes.child(), processes.child());
    source.arm(first.pid(), token(0)).unwrap();
    source.arm(second.pid(), token(1)).unwrap();
    source.disarm(token(0));
    assert!(source.is_reaped(token(0)), "it is not armed");
    assert!(!source.is_reaped(token(1)));
    first.die(End::Code(0));
    second.die(End::Code(0));
    only_report(token(1), source, waiter);
}

pub(super) fn s3_a_places_next_holder_is_another<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    let (old, new) = (Token::from_parts(0, 1), Token::from_parts(0, 2));
    let (mut first, second) = (processes.child(), processes.child());
    source.arm(first.pid(), old).unwrap();
    first.die(End::Code(0));
    source.disarm(old);
    source.arm(second.pid(), new).unwrap();
    assert!(source.is_reaped(old), "it is not armed");
    assert!(!source.is_reaped(new));
    // A second event, on some kernels.
    first.reap();
    second.die(End::Code(4));
    // The first exit came before the disarming, so it may be reported too (S2).
    let report = report_of(new, source, waiter);
    assert_eq!(code(report), Some(4));
}

pub(super) fn s5_a_refused_arming_leaves_nothing<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    let files = open_files();
    let nobody = Pid::try_from(i32::MAX).unwrap();
    let refused = source.arm(nobody, token(0));
    assert!(
        matches!(refused, Err(WatchError::NoSuchProcess { .. })),
        "{refused:?}"
    );
    let own = Pid::try_from(std::process::id()).unwrap();
    let refused = source.arm(own, token(0));
    assert!(
        matches!(refused, Err(WatchError::OwnProcess { .. })),
        "{refused:?}"
    );
    assert!(source.is_reaped(token(0)), "it is not armed");
    assert_eq!(open_files(), files, "a file descriptor is left");

    let child = processes.child();
    source.arm(child.pid(), token(0)).unwrap();
    child.die(End::Code(0));
    only_report(token(0), source, waiter);
}

/// A source that needs no file arms the process.
pub(super) fn s5_a_shortage_of_files_leaves_nothing<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    let child = processes.child();
    let files = open_files();
    let few = FewFiles::left(0);
    let armed = source.arm(child.pid(), token(0));
    drop(few);
    match armed {
        Ok(()) => source.disarm(token(0)),
        Err(WatchError::ResourceLimit { .. }) => {}
        Err(other) => panic!("no file is free: {other}"),
    }
    assert!(source.is_reaped(token(0)), "it is not armed");
    assert_eq!(open_files(), files, "a file descriptor is left");
    source.arm(child.pid(), token(0)).unwrap();
    child.die(End::Code(0));
    only_report(token(0), source, waiter);
}

/// The first caller comes while the watcher's thread does not wait, as during a callback. The others
/// come while it waits.
pub(super) fn s6_callers_arm_look_and_disarm_at_once<S: ExitSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    const TIMES: u32 = 50;
    let children = [(); 4].map(|()| processes.child());
    let first = token(0);
    source.arm(children[0].pid(), first).unwrap();
    assert_eq!(source.look(first), None, "it lives");
    source.disarm(first);
    thread::scope(|scope| {
        for (place, child) in (0..).zip(&children) {
            scope.spawn(move || {
                for generation in 1..TIMES {
                    let token = Token::from_parts(place, generation);
                    source.arm(child.pid(), token).unwrap();
                    assert_eq!(source.look(token), None, "it lives");
                    assert!(!source.is_reaped(token), "it lives");
                    source.disarm(token);
                }
                let last = Token::from_parts(place, TIMES);
                source.arm(child.pid(), last).unwrap();
                child.die(End::Code(place as u8));
            });
        }
        let mut left: Vec<_> = (0..children.len() as u32).collect();
        while !left.is_empty() {
            for report in next_reports(source, waiter) {
                let place = report.token.index();
                assert_eq!(report.token, Token::from_parts(place, TIMES), "it lived");
                assert_eq!(code(report), Some(place as i32));
                left.retain(|&other| other != place);
            }
        }
    });
}

/// Until it executes a program, its parent may move it to another group. A source that asks
/// whether it is a child must not.
pub(super) fn an_armed_child_stays_in_its_process_group<S: ExitSource>(
    source: &S,
    _waiter: &mut S::Waiter,
    processes: &Processes,
) {
    let child = processes.child();
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
