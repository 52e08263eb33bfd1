//! What each source makes of a question that a sandbox refuses: nothing.
//!
//! A refusal is not an answer. If a question is refused, a living child is not taken for
//! exited or reaped, and a child is not taken for a stranger. The sources are asked by
//! themselves, on a thread to which the kernel refuses one call, or all of them.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not their helpers"
)]

use std::os::fd::AsFd;
use std::time::Duration;

use childwatch_core::source::{ExitSource, PollableSource, Report, Token, await_readable};
use childwatch_core::{PidfdFault, WatchError};
use childwatch_pidfd::{AutoWatcher, Backends, PidfdSource};
use childwatch_sigchld::SigchldSource;
use rustix::io::Errno;

use childwatch_ptrace_free_tests::Sandbox;
use childwatch_ptrace_free_tests::kit::child::{End, GatedChild, Nursery, RealNursery};
use childwatch_ptrace_free_tests::kit::skip;
use childwatch_ptrace_free_tests::machine::refusal::{Refusal, with_refused};

fn can_be_tested() -> bool {
    skip::can_run(Sandbox::can_be_applied())
}

/// Errors that answer no question here: those of stubs, sandboxes and shortages, and an error
/// that none of these calls returns.
const REFUSALS: [Errno; 8] = [
    Errno::PERM,
    Errno::ACCESS,
    Errno::NOSYS,
    Errno::NOMEM,
    Errno::MFILE,
    Errno::IO,
    Errno::OPNOTSUPP,
    Errno::NOTUNIQ,
];

/// A call that a source asks with, in whole or in one of its uses.
type Question = fn(Errno) -> Vec<Refusal>;

const OPEN: Question = |errno| vec![Refusal::of(libc::SYS_openat, errno)];

const PIDFD: &[Question] = &[
    |errno| vec![Refusal::of(libc::SYS_pidfd_send_signal, errno)],
    |errno| vec![Refusal::waitid_of_pidfds(errno)],
    |errno| vec![Refusal::pidfd_get_info(errno)],
    Refusal::polls,
    OPEN,
];

const SIGCHLD: &[Question] = &[
    |errno| vec![Refusal::of(libc::SYS_waitid, errno).with(0, libc::P_PID)],
    |errno| vec![Refusal::of(libc::SYS_setpgid, errno)],
    |errno| vec![Refusal::of(libc::SYS_kill, errno)],
    OPEN,
];

/// Each question by itself, all of them, and each error.
fn refusals(questions: &[Question]) -> impl Iterator<Item = Vec<Refusal>> {
    let alone = questions.chunks(1);
    let sets: Vec<&[Question]> = alone.chain([questions]).collect();
    sets.into_iter().flat_map(|set| {
        REFUSALS.map(|errno| {
            set.iter()
                .flat_map(|question| question(errno))
                .collect::<Vec<_>>()
        })
    })
}

fn code(report: &Report) -> Option<i32> {
    report.status?.code()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Live,
    Zombie,
}

fn child(state: State) -> Box<dyn GatedChild> {
    let child = RealNursery.spawn();
    if state == State::Zombie {
        child.die(End::Code(7));
    }
    child
}

/// What is armed already.
fn no_doubt_becomes_an_answer<S: ExitSource>(source: &S, questions: &[Question]) {
    for state in [State::Live, State::Zombie] {
        let token = Token::from_parts(0, 1);
        let mut child = child(State::Live);
        source.arm(child.pid(), token).unwrap();
        if state == State::Zombie {
            child.die(End::Code(7));
        }
        for refusals in refusals(questions) {
            let (is_reaped, found) =
                with_refused(&refusals, || (source.is_reaped(token), source.look(token)));
            assert!(!is_reaped, "{state:?}, and taken for reaped: {refusals:?}");
            if state == State::Live {
                assert_eq!(found, None, "{refusals:?}");
            }
            let told = found.as_ref().and_then(code);
            assert!(told.is_none_or(|code| code == 7), "{found:?}, {refusals:?}");
        }
        if state == State::Live {
            child.die(End::Code(7));
        }
        child.reap();
        assert!(source.is_reaped(token));
        source.disarm(token);
    }
}

fn a_child_that_cannot_be_asked_about_is_not_said_to_be_none<S: ExitSource>(
    source: &S,
    questions: &[Question],
) {
    let token = Token::from_parts(0, 2);
    for state in [State::Live, State::Zombie] {
        let child = child(state);
        for refusals in refusals(questions) {
            let armed = with_refused(&refusals, || source.arm(child.pid(), token));
            match armed {
                Ok(()) => source.disarm(token),
                Err(
                    WatchError::Unsupported { pid, .. }
                    | WatchError::ResourceLimit { pid, .. }
                    | WatchError::Os { pid, .. },
                ) => assert_eq!(pid, Some(child.pid())),
                Err(error) => panic!("{state:?}: {error}, {refusals:?}"),
            }
            assert!(source.is_reaped(token), "it is not armed: {refusals:?}");
        }
    }
}

#[test]
fn by_pidfds_no_doubt_becomes_an_answer() {
    if can_be_tested() && childwatch_pidfd::probe().check().is_ok() {
        let (source, _waiter) = PidfdSource::new().unwrap();
        no_doubt_becomes_an_answer(&source, PIDFD);
        a_child_that_cannot_be_asked_about_is_not_said_to_be_none(&source, PIDFD);
        // Nothing is remembered of a refusal: it may be the first arming's.
        for refusals in refusals(PIDFD) {
            let (source, _waiter) = PidfdSource::new().unwrap();
            let child = child(State::Live);
            let token = Token::from_parts(0, 0);
            let arm = || source.arm(child.pid(), token);
            if with_refused(&refusals, arm).is_err() {
                assert!(with_refused(&refusals, arm).is_err(), "{refusals:?}");
                arm().unwrap();
            }
            assert!(!source.is_reaped(token));
        }
    }
}

/// It may stay a zombie until its callback has run, so there is nothing to wait for.
#[test]
fn by_pidfds_a_zombie_whose_status_is_refused_is_reported_at_once() {
    if can_be_tested() && childwatch_pidfd::probe().check().is_ok() {
        let (source, mut waiter) = PidfdSource::new().unwrap();
        let token = Token::from_parts(0, 0);
        for errno in REFUSALS {
            let child = child(State::Live);
            source.arm(child.pid(), token).unwrap();
            child.die(End::Code(7));
            let mut reports = Vec::new();
            let refusals = [Refusal::waitid_of_pidfds(errno)];
            with_refused(&refusals, || source.collect(&mut waiter, &mut reports)).unwrap();
            assert_eq!(reports, [Report::new(token, None)], "{errno}");
            source.disarm(token);
        }
    }
}

/// C21: neither a living child nor a zombie has been reaped.
#[test]
fn by_reapings_no_doubt_becomes_an_answer() {
    if can_be_tested() && childwatch_pidfd::probe().check_until_reaped().is_ok() {
        let (source, _waiter) = PidfdSource::until_reaped().unwrap();
        let token = Token::from_parts(0, 0);
        let mut child = child(State::Live);
        source.arm(child.pid(), token).unwrap();
        for state in [State::Live, State::Zombie] {
            if state == State::Zombie {
                child.die(End::Code(7));
            }
            for refusals in refusals(PIDFD) {
                let (is_reaped, found) =
                    with_refused(&refusals, || (source.is_reaped(token), source.look(token)));
                assert!(!is_reaped, "{state:?}, and taken for reaped: {refusals:?}");
                assert_eq!(found, None, "{state:?}, {refusals:?}");
            }
        }
        child.reap();
        assert!(source.look(token).is_some());
        source.disarm(token);
    }
}

/// A shortage ends, and an absence does not. So only an absence decides for a watcher's life.
#[test]
fn a_watcher_that_is_made_in_a_shortage_of_pidfds_has_them_after_it() {
    let offers_both =
        childwatch_pidfd::probe().check().is_ok() && childwatch_sigchld::probe().check().is_ok();
    if can_be_tested() && offers_both {
        for (errno, backends) in [
            (Errno::MFILE, Backends::Both),
            (Errno::NFILE, Backends::Both),
            (Errno::NOMEM, Backends::Both),
            (Errno::NOSYS, Backends::Sigchld),
            (Errno::PERM, Backends::Sigchld),
        ] {
            let refusals = [Refusal::of(libc::SYS_pidfd_open, errno)];
            let watcher = with_refused(&refusals, AutoWatcher::new).unwrap();
            assert_eq!(watcher.backends(), backends, "{errno}");
        }
    }
}

/// S10: what a refused `collect` has left to do, a later one does.
#[test]
fn a_heartbeat_comes_though_its_timer_was_refused_once() {
    const PATIENCE: Duration = Duration::from_secs(20);
    if can_be_tested() && childwatch_sigchld::probe().check().is_ok() {
        // So no other test's child makes the descriptor readable.
        let ((source, mut waiter), _forwarder) = SigchldSource::pollable_with_forwarder().unwrap();
        let mut child = child(State::Live);
        source.arm(child.pid(), Token::from_parts(0, 0)).unwrap();
        let mut collect = || source.collect(&mut waiter, &mut Vec::new());
        let refusals = [Refusal::of(libc::SYS_timerfd_settime, Errno::PERM)];
        with_refused(&refusals, || while collect().is_ok() {});
        collect().unwrap();
        // Another test's child may interrupt the wait.
        let waited = await_readable(source.descriptor(&waiter), Some(PATIENCE));
        assert!(waited.unwrap_or(true), "the timer has not been set");
        child.die(End::Code(7));
        child.reap();
    }
}

#[test]
fn by_signals_no_doubt_becomes_an_answer() {
    if can_be_tested() && childwatch_sigchld::probe().check().is_ok() {
        let (source, _waiter) = SigchldSource::new().unwrap();
        no_doubt_becomes_an_answer(&source, SIGCHLD);
        a_child_that_cannot_be_asked_about_is_not_said_to_be_none(&source, SIGCHLD);
    }
}

/// Its exit could not be seen, so to watch it would be to miss it.
#[test]
fn by_signals_a_child_that_cannot_be_looked_at_is_refused() {
    if can_be_tested() && childwatch_sigchld::probe().check().is_ok() {
        let (source, _waiter) = SigchldSource::new().unwrap();
        let child = child(State::Live);
        for errno in REFUSALS {
            let token = Token::from_parts(0, 3);
            let armed = with_refused(&SIGCHLD[0](errno), || source.arm(child.pid(), token));
            assert!(
                matches!(armed, Err(WatchError::Unsupported { .. })),
                "{armed:?}, {errno}"
            );
        }
    }
}

/// A pidfd tells in two ways whether its process has been reaped.
#[test]
fn a_reaped_process_is_known_by_the_other_way_when_one_is_refused() {
    if can_be_tested() && childwatch_pidfd::probe().check().is_ok() {
        let (source, _waiter) = PidfdSource::new().unwrap();
        let token = Token::from_parts(0, 0);
        let mut child = child(State::Live);
        source.arm(child.pid(), token).unwrap();
        child.die(End::Code(7));
        child.reap();
        for errno in REFUSALS {
            for refusals in [PIDFD[0](errno), OPEN(errno)] {
                let is_reaped = with_refused(&refusals, || source.is_reaped(token));
                assert!(is_reaped, "{refusals:?}");
            }
        }
    }
}

/// Otherwise the caller would look for what its system lacks, and it has only come too late.
#[test]
fn the_pidfd_of_a_reaped_process_is_known_though_its_number_is_not() {
    if can_be_tested() && childwatch_pidfd::probe().check().is_ok() {
        let (source, _waiter) = PidfdSource::new().unwrap();
        let token = Token::from_parts(0, 0);
        let mut child = child(State::Live);
        source.arm(child.pid(), token).unwrap();
        let pidfd = source.pidfd(child.pid(), token).unwrap();
        child.die(End::Code(7));
        child.reap();
        for errno in [Errno::PERM, Errno::ACCESS, Errno::NOSYS] {
            let refusals = [Refusal::pidfd_get_info(errno)];
            let refusals = [&refusals[..], &OPEN(errno)].concat();
            let answer = with_refused(&refusals, || source.pid_of(pidfd.as_fd()));
            assert!(
                matches!(
                    answer,
                    Err(WatchError::UnusablePidfd {
                        reason: PidfdFault::Reaped,
                        ..
                    })
                ),
                "{answer:?}, {errno}"
            );
        }
    }
}
