//! [`LATENCY`]: from an exit to its callback, while idle children are watched too.

use std::time::Duration;

use anyhow::Context;

use super::crowd::{BEFORE_EXITS, beside_idle, gather, watch_all};
use super::entrants::{IN_A_LOOP, WITH_THREADS};
use super::row::{Company, Row};
use super::task::Task;
use crate::candidates::candidate::Watching;
use crate::candidates::names::FLOOR;
use crate::figures::figure::{Figure, Unit};
use crate::measuring::clock;
use crate::measuring::outcome::Samples;
use crate::measuring::tally::Tally;

/// The exits of a turn. A turn is short beside the times in which the machine is slow or
/// fast.
pub(super) const EXITS_A_TURN: usize = 5;

/// The quantiles of a latency.
pub(super) static QUANTILES: [Figure; 2] = [
    quantile("p50", "median", 0.5),
    quantile("p99", "99th percentile", 0.99),
];

pub(crate) static LATENCY: Row = Row {
    name: "latency",
    title: "From an exit to its callback",
    size: "idle children watched too",
    figures: &QUANTILES,
    candidates: WITH_THREADS,
    floor: FLOOR,
    rounds: |_| 9,
    // The candidates differ by less than the machine's speed changes from one second to the
    // next.
    company: Company::InTurns,
    measure: |task| measure(task, 20),
};

/// The same for the loop of a program, which has one thread for its exits and its other events.
pub(crate) static LOOP: Row = Row {
    name: "loop",
    title: "From an exit to its callback in a program's own loop over epoll",
    size: "idle children watched too",
    figures: &QUANTILES,
    candidates: IN_A_LOOP,
    floor: FLOOR,
    rounds: |_| 9,
    company: Company::InTurns,
    measure: |task| measure(task, 8),
};

const fn quantile(name: &'static str, title: &'static str, quantile: f64) -> Figure {
    Figure::quantile(name, title, "latency", quantile, Unit::Microseconds)
}

fn measure(task: &mut Task<'_>, most_turns: usize) -> anyhow::Result<Samples> {
    let measured_turns = task.effort.choose(most_turns, 1);
    let idle = task.size;
    beside_idle(task, idle + 1, idle, |watching, turns| {
        turns.wait()?;
        let _warm_up = some_exits(watching)?;
        let mut latencies = Vec::new();
        for _ in 0..measured_turns {
            turns.wait()?;
            latencies.extend(some_exits(watching)?);
        }
        Ok(Samples::from([("latency".to_owned(), latencies)]))
    })
}

/// Measures the latency of each exit of a turn.
fn some_exits(watching: &mut dyn Watching) -> anyhow::Result<[f64; EXITS_A_TURN]> {
    let mut latencies = [0.0; EXITS_A_TURN];
    for latency in &mut latencies {
        *latency = one_exit(watching)?.as_secs_f64();
    }
    Ok(latencies)
}

fn one_exit(watching: &mut dyn Watching) -> anyhow::Result<Duration> {
    let (mut crowd, gate) = gather(1)?;
    let tally = Tally::of(1);
    watch_all(watching, &mut crowd, &tally)?;
    clock::pause(BEFORE_EXITS);
    drop(gate);
    let told = tally.wait()?;
    let child = &mut crowd.members()[0];
    let left = child.left_at().context("it was told before the exit")?;
    child.reap();
    Ok(told.saturating_sub(left))
}
