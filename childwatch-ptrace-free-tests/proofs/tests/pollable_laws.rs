//! The laws of a `PollableSource`, S10 to S12: each source by itself, without an engine.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not their helpers"
)]

use std::time::{Duration, Instant};

use childwatch_core::source::{PollableSource, Report, Token, await_readable};
use childwatch_pidfd::PidfdSource;
use childwatch_ptrace_free_tests::kit::child::End;
use childwatch_sigchld::SigchldSource;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use common::{PATIENCE, child, code, holds, is_over, token};

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
                            super::SigchldSource::pollable_without_heartbeat_for_tests().unwrap();
                        super::$law(&source, &mut waiter);
                    });
                }
            )*
        }
    };
}

laws! {
    s10_an_exit_makes_the_descriptor_readable_before_the_arming_or_after
    s10_a_wake_makes_the_descriptor_readable_once
    s10_nothing_makes_a_descriptor_readable_for_long
    s11_what_a_collection_leaves_makes_an_edge
    s12_a_collection_that_finds_nothing_returns
}

fn s10_an_exit_makes_the_descriptor_readable_before_the_arming_or_after<S: PollableSource>(
    source: &S,
    waiter: &mut S::Waiter,
) {
    let (zombie, child) = (child(), child());
    zombie.die(End::Code(3));
    source.arm(zombie.pid(), token(0)).unwrap();
    assert_eq!(code(reported(token(0), source, waiter)), Some(3));
    source.arm(child.pid(), token(1)).unwrap();
    come_to_rest(source, waiter);
    child.die(End::Code(4));
    assert_eq!(code(reported(token(1), source, waiter)), Some(4));
}

fn s10_a_wake_makes_the_descriptor_readable_once<S: PollableSource>(
    source: &S,
    waiter: &mut S::Waiter,
) {
    for _ in 0..3 {
        source.wake().unwrap();
        source.wake().unwrap();
        for _ in 0..2 {
            assert!(is_readable(source, waiter, Duration::ZERO), "not collected");
        }
        let mut reports = Vec::new();
        source.collect(waiter, &mut reports).unwrap();
        assert_eq!(reports, []);
        assert!(!is_readable(source, waiter, Duration::ZERO));
    }
}

/// A heartbeat comes once in a second.
fn s10_nothing_makes_a_descriptor_readable_for_long<S: PollableSource>(
    source: &S,
    waiter: &mut S::Waiter,
) {
    let child = child();
    source.arm(child.pid(), token(0)).unwrap();
    let (start, mut collections) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_millis(300) {
        if is_readable(source, waiter, Duration::from_millis(50)) {
            source.collect(waiter, &mut Vec::new()).unwrap();
            collections += 1;
        }
    }
    // Another test's child may have exited: its signal comes here too, and begins a sweep.
    assert!(collections < 1_000, "{collections} in 0.3 s");
    source.disarm(token(0));
}

/// One collection for each edge.
fn s11_what_a_collection_leaves_makes_an_edge<S: PollableSource>(
    source: &S,
    waiter: &mut S::Waiter,
) {
    const CHILDREN: u32 = 200;
    let poller = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
    let data = epoll::EventData::new_u64(0);
    epoll::add(&poller, source.descriptor(waiter), data, flags).unwrap();
    let children: Vec<_> = (0..CHILDREN).map(|_| child()).collect();
    for (index, child) in (0..).zip(&children) {
        source.arm(child.pid(), token(index)).unwrap();
    }
    for child in &children {
        child.die(End::Code(0));
    }
    let mut told = vec![false; children.len()];
    let limit = Timespec::try_from(PATIENCE).unwrap();
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

fn s12_a_collection_that_finds_nothing_returns<S: PollableSource>(
    source: &S,
    waiter: &mut S::Waiter,
) {
    let child = child();
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
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if !is_readable(source, waiter, PATIENCE) {
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
