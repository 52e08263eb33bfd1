//! A program whose wall clock is set back and forth all the time.
//!
//! The machine's clock is not touched: the program's own way to read it is replaced
//! ([`wall_clock::have_own_wall_clock`]). So it shows what a library does with the wall clock, and
//! not what the kernel does with timers that follow it.

use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use super::life::{Life, OnDrop};
use crate::backend::facility::Facility;
use crate::backend::need::Need;
use crate::hosts::host::Host;
use crate::kit::child::{End, Nursery, RealNursery};
use crate::kit::deadline;
use crate::kit::sys::wall_clock;

pub(super) const HOST: Host = Host {
    name: "clock-jumps",
    is: "a program that keeps a log with the wall clock, which is set back and forth by \
         years all the time",
    needs: &[Need::Machine(Facility::OwnWallClock)],
    exceptions: &[],
    live,
};

const YEAR: i64 = 365 * 24 * 3600;

/// How far the wall clock is ahead, in turn.
const AHEAD: [i64; 5] = [0, 10 * YEAR, -10 * YEAR, 3600, -3600];

/// The least jump that the log notes.
const JUMP: Duration = Duration::from_secs(1800);

fn live(life: &Life<'_>) {
    wall_clock::have_own_wall_clock().expect("the needs have been looked at");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| set_the_clock(&is_over));
        let _end = OnDrop(|| is_over.store(true, Ordering::SeqCst));
        life.goes_on(|_| keep_a_log());
    });
}

fn set_the_clock(is_over: &AtomicBool) {
    for ahead in AHEAD.into_iter().cycle() {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        wall_clock::set_wall_clock_ahead(ahead);
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// What the log has in the end.
#[derive(Debug, PartialEq)]
struct Log {
    /// The clock was seen to go back and to leap ahead.
    jumps: [bool; 2],
    statuses: Vec<Option<ExitStatus>>,
}

/// Notes the times at which children end.
fn keep_a_log() -> Log {
    let mut log = Log {
        jumps: [false; 2],
        statuses: Vec::new(),
    };
    let mut last = SystemTime::now();
    let mut note = |jumps: &mut [bool; 2]| {
        let now = SystemTime::now();
        jumps[0] |= last.duration_since(now).is_ok_and(|back| back > JUMP);
        jumps[1] |= now.duration_since(last).is_ok_and(|ahead| ahead > JUMP);
        last = now;
    };
    for code in 0..10 {
        let mut child = RealNursery.spawn();
        child.die(End::Code(code));
        log.statuses.push(child.reap());
        note(&mut log.jumps);
    }
    deadline::holds_within(deadline::patience(), || {
        note(&mut log.jumps);
        log.jumps == [true; 2]
    });
    log
}
