//! Those of a pollable source: S10 to S12.

use std::time::{Duration, Instant};

use childwatch_core::source::{PollableSource, Report, Token, await_readable};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::processes::Processes;
use super::reports::{code, is_over, token};
use crate::kit::child::End;
use crate::kit::deadline;

pub(super) fn s10_an_exit_makes_the_descriptor_readable_before_the_arming_or_after<
    S: PollableSource,
>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    let (zombie, child) = (processes.child(), processes.child());
    zombie.die(End::Code(3));
    source.arm(zombie.pid(), token(0)).unwrap();
    assert_eq!(code(reported(token(0), source, waiter)), Some(3));
    source.arm(child.pid(), token(1)).unwrap();
    come_to_rest(source, waiter);
    child.die(End::Code(4));
    assert_eq!(code(reported(token(1), source, waiter)), Some(4));
}

pub(super) fn s10_a_wake_makes_the_descriptor_readable_once<S: PollableSource>(
    source: &S,
    waiter: &mut S::Waiter,
    _processes: &Processes,
) {
    assert_rests(source, waiter, "a new source is woken");
    for _ in 0..3 {
        source.wake().unwrap();
        source.wake().unwrap();
        for _ in 0..2 {
            assert!(is_readable(source, waiter, Duration::ZERO), "not collected");
        }
        collect_nothing(source, waiter);
        assert_rests(source, waiter, "a wake is not used up");
    }
}

/// A heartbeat comes once in a second.
pub(super) fn s10_nothing_makes_a_descriptor_readable_for_long<S: PollableSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    let child = processes.child();
    source.arm(child.pid(), token(0)).unwrap();
    let (start, mut collections) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_millis(300) {
        if is_readable(source, waiter, Duration::from_millis(50)) {
            source.collect(waiter, &mut Vec::new()).unwrap();
            collections += 1;
        }
    }
    assert!(collections < 1_000, "{collections} in 0.3 s");
    source.disarm(token(0));
}

/// One collection for each edge.
pub(super) fn s11_what_a_collection_leaves_makes_an_edge<S: PollableSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    const CHILDREN: u32 = 200;
    let poller = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
    let data = epoll::EventData::new_u64(0);
    epoll::add(&poller, source.descriptor(waiter), data, flags).unwrap();
    let children: Vec<_> = (0..CHILDREN).map(|_| processes.child()).collect();
    for (index, child) in (0..).zip(&children) {
        source.arm(child.pid(), token(index)).unwrap();
    }
    for child in &children {
        child.die(End::Code(0));
    }
    let mut told = vec![false; children.len()];
    let limit = Timespec::try_from(deadline::patience()).unwrap();
    while told.contains(&false) {
        let mut edge = Vec::with_capacity(1);
        let waited = epoll::wait(&poller, spare_capacity(&mut edge), Some(&limit));
        match is_over(waited.map_err(Into::into)) {
            Some(taken) => assert_eq!(taken, 1, "no edge, and exits are left"),
            None => continue,
        }
        let mut reports = Vec::new();
        source.collect(waiter, &mut reports).unwrap();
        for report in reports {
            told[report.token.index() as usize] = true;
        }
    }
}

pub(super) fn s12_a_collection_that_finds_nothing_returns<S: PollableSource>(
    source: &S,
    waiter: &mut S::Waiter,
    processes: &Processes,
) {
    let child = processes.child();
    source.arm(child.pid(), token(0)).unwrap();
    let mut reports = Vec::new();
    for _ in 0..100 {
        source.collect(waiter, &mut reports).unwrap();
    }
    assert_eq!(reports, []);
    source.disarm(token(0));
}

fn is_readable<S: PollableSource>(source: &S, waiter: &S::Waiter, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    let descriptor = source.descriptor(waiter);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if let Some(is_readable) = is_over(await_readable(descriptor, Some(left))) {
            return is_readable;
        }
    }
}

/// Collects when the descriptor is readable, until this token is reported.
fn reported<S: PollableSource>(token: Token, source: &S, waiter: &mut S::Waiter) -> Report {
    let end = Instant::now() + deadline::patience();
    while Instant::now() < end {
        if !is_readable(source, waiter, deadline::patience()) {
            continue;
        }
        let mut reports = Vec::new();
        source.collect(waiter, &mut reports).unwrap();
        if let Some(report) = reports.iter().find(|report| report.token == token) {
            return report.clone();
        }
    }
    panic!("an exit is not reported");
}

/// Collects until the descriptor is not readable.
fn come_to_rest<S: PollableSource>(source: &S, waiter: &mut S::Waiter) {
    while is_readable(source, waiter, Duration::ZERO) {
        source.collect(waiter, &mut Vec::new()).unwrap();
    }
}

fn collect_nothing<S: PollableSource>(source: &S, waiter: &mut S::Waiter) {
    let mut reports = Vec::new();
    source.collect(waiter, &mut reports).unwrap();
    assert_eq!(reports, []);
}

/// The descriptor may be readable once more (S10).
#[track_caller]
fn assert_rests<S: PollableSource>(source: &S, waiter: &mut S::Waiter, otherwise: &str) {
    if is_readable(source, waiter, Duration::ZERO) {
        collect_nothing(source, waiter);
    }
    let is_readable = is_readable(source, waiter, Duration::ZERO);
    assert!(!is_readable, "{otherwise}");
}
