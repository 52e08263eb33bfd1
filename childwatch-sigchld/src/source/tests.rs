//! The steps of a [`SigchldSource`], on real children.

use std::os::unix::process::ExitStatusExt;
use std::thread;

use super::*;
use crate::child::tests::{cat, dies};

const TOKEN: Token = Token::from_parts(0, 0);

fn source() -> (SigchldSource, SigchldWaiter) {
    SigchldSource::new().unwrap()
}

fn success() -> Report {
    Report {
        token: TOKEN,
        status: Some(ExitStatus::from_raw(0)),
    }
}

#[test]
fn the_watchers_thread_lets_the_signal_through() {
    let (source, mut waiter) = source();
    thread::spawn(move || {
        handler::tests::block_on_this_thread();
        source.start(&mut waiter);
        assert!(!handler::is_blocked_on_this_thread());
    })
    .join()
    .unwrap();
}

#[test]
fn a_source_hears_no_signals_before_its_first_child() {
    let (source, _waiter) = source();
    // The handler's share is the other.
    let holders = |source: &SigchldSource| Arc::strong_count(&source.heard);
    assert_eq!(holders(&source), 1);
    let mut child = cat();
    for index in [0, 1] {
        let token = Token::from_parts(index, 0);
        source.arm(Pid::from(&child), token).unwrap();
        assert_eq!(holders(&source), 2);
    }
    dies(&mut child);
    child.wait().unwrap();
}

#[test]
fn what_another_thread_has_found_is_told_of_at_once() {
    let (source, mut waiter) = source();
    let mut child = cat();
    dies(&mut child);
    source.arm(Pid::from(&child), TOKEN).unwrap();
    let mut reports = Vec::new();
    source.follow_hints(&mut waiter, &mut reports);
    assert_eq!(reports, [success()]);
    child.wait().unwrap();
}

#[test]
fn what_another_thread_has_found_rings_for_the_watchers() {
    let (source, mut waiter) = source();
    let mut child = cat();
    // Not armed by `arm`: no signal is listened to.
    let armed_at = Ticks::now();
    source.table().insert(Pid::from(&child), TOKEN, armed_at, 0);
    let rings = source.heard.bell.rings();
    source.keep_report(TOKEN, None);
    assert_ne!(source.heard.bell.rings(), rings);
    let mut reports = Vec::new();
    source.wait(&mut waiter, &mut reports).unwrap();
    assert_eq!(reports.len(), 1);
    dies(&mut child);
    child.wait().unwrap();
}

#[test]
fn a_hinted_exit_is_told_of_once_before_anything_else_is_looked_at() {
    let (source, mut waiter) = source();
    let mut child = cat();
    let pid = Pid::from(&child);
    source.arm(pid, TOKEN).unwrap();
    dies(&mut child);
    source.heard.signal(pid.as_raw(), libc::CLD_EXITED, 0);
    let mut reports = Vec::new();
    source.follow_hints(&mut waiter, &mut reports);
    assert_eq!(reports, [success()]);
    source.heard.signal(pid.as_raw(), libc::CLD_EXITED, 0);
    source.follow_hints(&mut waiter, &mut reports);
    assert_eq!(reports, [success()]);
    child.wait().unwrap();
}

#[test]
fn what_is_looked_at_again_is_not_told_of_again() {
    let (source, mut waiter) = source();
    let mut child = cat();
    dies(&mut child);
    source
        .table()
        .insert(Pid::from(&child), TOKEN, Ticks::now(), 0);
    let suspect = source.table().suspect(TOKEN).unwrap();
    let mut reports = Vec::new();
    for _ in 0..2 {
        waiter.suspects.push(suspect);
        source.look_at_suspects(&mut waiter, &mut reports, |_| false);
        assert_eq!(reports, [success()]);
    }
    child.wait().unwrap();
}

#[test]
fn an_exit_without_a_hint_is_found_by_the_question_or_a_sweep() {
    let (source, mut waiter) = source();
    let mut child = cat();
    dies(&mut child);
    source
        .table()
        .insert(Pid::from(&child), TOKEN, Ticks::now(), 0);
    // Its signal was merged into another.
    source.heard.generation.fetch_add(1, Ordering::SeqCst);
    let mut reports = Vec::new();
    source.ask_for_any_zombie(&mut waiter, 1, &mut reports);
    if reports.is_empty() {
        // Another test's zombie stands in the way.
        let next = waiter.plan.next(Instant::now(), 1);
        let Step::GoOn(sweep) = next else {
            panic!("{next:?}");
        };
        source.go_on_sweeping(&mut waiter, sweep, &mut reports);
    }
    assert_eq!(reports, [success()]);
    child.wait().unwrap();
}

#[test]
fn a_heartbeat_finds_a_number_that_is_another_childs_by_now() {
    let (source, mut waiter) = source();
    let mut child = cat();
    // It was armed for a former one.
    source
        .table()
        .insert(Pid::from(&child), TOKEN, Ticks::ZERO, 0);
    source.begin_heartbeat(&mut waiter);
    let generation = source.heard.generation.load(Ordering::SeqCst);
    let next = waiter.plan.next(Instant::now(), generation);
    let Step::GoOn(sweep) = next else {
        panic!("{next:?}");
    };
    let mut reports = Vec::new();
    source.go_on_sweeping(&mut waiter, sweep, &mut reports);
    let [Report { token, status }] = reports[..] else {
        panic!("{reports:?}");
    };
    assert_eq!((token, status), (TOKEN, None));
    dies(&mut child);
    child.wait().unwrap();
}

#[test]
fn a_wait_does_not_end_before_there_is_something_to_tell() {
    let (source, mut waiter) = source();
    let mut child = cat();
    source
        .table()
        .insert(Pid::from(&child), TOKEN, Ticks::ZERO, 0);
    let mut reports = Vec::new();
    // By a heartbeat.
    source.wait(&mut waiter, &mut reports).unwrap();
    assert_eq!(reports.len(), 1);
    dies(&mut child);
    child.wait().unwrap();
}

/// Whether the child is taken for reaped, armed then and reported or not; and
/// whether the watcher's thread gets to report that.
fn is_reaped(child: &std::process::Child, armed_at: Ticks, is_reported: bool) -> (bool, bool) {
    let (source, mut waiter) = source();
    source.table().insert(Pid::from(child), TOKEN, armed_at, 0);
    if is_reported {
        let status = Some(ExitStatus::from_raw(0));
        assert!(source.table().report(TOKEN, status).is_some());
    }
    let is_reaped = source.is_reaped(TOKEN);
    let mut reports = Vec::new();
    source.follow_hints(&mut waiter, &mut reports);
    (is_reaped, !reports.is_empty())
}

#[test]
fn a_number_is_free_when_its_child_is_another_or_gone_and_that_is_told_of_once() {
    let mut child = cat();
    let (before, after) = (Ticks::ZERO, Ticks::now().and(1));
    let yes_and_told = (true, true);
    let yes = (true, false);
    let no = (false, false);

    assert_eq!(is_reaped(&child, after, false), no);
    assert_eq!(is_reaped(&child, after, true), yes, "one exits only once");
    assert_eq!(is_reaped(&child, before, false), yes_and_told);
    assert_eq!(is_reaped(&child, before, true), yes);
    dies(&mut child);
    assert_eq!(is_reaped(&child, after, false), no);
    assert_eq!(is_reaped(&child, after, true), no, "it is the zombie");
    assert_eq!(is_reaped(&child, before, false), yes_and_told);
    child.wait().unwrap();
    assert_eq!(is_reaped(&child, after, false), yes_and_told);
    assert_eq!(is_reaped(&child, after, true), yes);
}

/// Whoever has the number, in the same tick or not.
#[test]
fn what_is_reported_without_a_status_had_been_reaped() {
    let (source, _waiter) = source();
    let mut child = cat();
    let after = Ticks::now().and(1);
    source.table().insert(Pid::from(&child), TOKEN, after, 0);
    assert!(!source.is_reaped(TOKEN));
    assert!(source.table().report(TOKEN, None).is_some());
    assert!(source.is_reaped(TOKEN));
    dies(&mut child);
    assert!(source.is_reaped(TOKEN));
    child.wait().unwrap();
}

/// Between the moment that made it a suspect and the look.
#[test]
fn a_child_that_is_reaped_meanwhile_has_the_status_that_its_signal_brought() {
    let (source, mut waiter) = source();
    let mut child = cat();
    let pid = Pid::from(&child);
    source.table().insert(pid, TOKEN, Ticks::now(), 0);
    waiter.suspects.extend(source.table().suspect(TOKEN));
    dies(&mut child);
    source.heard.is_listening.store(true, Ordering::SeqCst);
    source.heard.signal(pid.as_raw(), libc::CLD_EXITED, 5);
    child.wait().unwrap();
    let mut reports = Vec::new();
    source.look_at_suspects(&mut waiter, &mut reports, |_| false);
    let status = Some(ExitStatus::from_raw(5 << 8));
    let token = TOKEN;
    assert_eq!(reports, [Report { token, status }]);
}

#[test]
fn with_the_last_child_disarmed_no_signal_is_listened_to() {
    let (source, _waiter) = source();
    let mut child = cat();
    let pid = Pid::from(&child);
    let other = Token::from_parts(1, 0);
    source.arm(pid, TOKEN).unwrap();
    source.arm(pid, other).unwrap();
    let is_listening = || source.heard.is_listening.load(Ordering::SeqCst);
    source.disarm(TOKEN);
    assert!(source.is_reaped(TOKEN), "it is not armed");
    assert!(is_listening());
    source.disarm(other);
    assert!(!is_listening());
    dies(&mut child);
    child.wait().unwrap();
}

#[test]
fn a_waking_ends_one_wait() {
    let (source, mut waiter) = source();
    let rings = source.heard.bell.rings();
    source.wake().unwrap();
    assert_ne!(source.heard.bell.rings(), rings);
    let mut reports = Vec::new();
    source.wait(&mut waiter, &mut reports).unwrap();
    assert_eq!(reports, []);
    assert!(!source.is_woken.load(Ordering::SeqCst));
}
