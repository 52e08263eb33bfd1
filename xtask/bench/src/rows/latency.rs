//! [`LATENCY`]: from an exit to its callback, with idle children watched beside it.

use std::time::Duration;

use anyhow::Context;

use crate::candidate::{Candidate, Watching};
use crate::clock;
use crate::options::Effort;
use crate::outcome::Samples;
use crate::row::{Company, Figure, Row, Unit};
use crate::rows::{BEFORE_EXITS, gather, watch_all, watch_idle};
use crate::tally::Tally;
use crate::turns::Turns;

/// A turn's exits: short beside what makes the machine slow or fast.
const EXITS_A_TURN: usize = 5;

pub(crate) static LATENCY: Row = Row {
    name: "latency",
    title: "From an exit to its callback",
    size: "idle children watched too",
    figures: &[
        quantile("p50", "median", 0.5),
        quantile("p99", "99th percentile", 0.99),
    ],
    rounds: |_| 9,
    // What is to be told apart is less than what the machine's speed changes by from one
    // second to the next.
    company: Company::InTurns,
    measure,
};

const fn quantile(name: &'static str, title: &'static str, quantile: f64) -> Figure {
    Figure::quantile(name, title, "latency", quantile, Unit::Microseconds)
}

fn measure(
    candidate: &dyn Candidate,
    size: usize,
    effort: Effort,
    turns: &mut Turns<'_>,
) -> anyhow::Result<Samples> {
    let measured_turns = match effort {
        Effort::Full => 20,
        Effort::Quick => 2,
    };
    let mut watching = candidate.watch_up_to(size + 1)?;
    let _idle = watch_idle(&mut *watching, size)?;
    turns.wait()?;
    let _warm_up = some_exits(&mut *watching)?;
    let mut latencies = Vec::new();
    for _ in 0..measured_turns {
        turns.wait()?;
        latencies.extend(some_exits(&mut *watching)?);
    }
    // Till the others have measured too: the end of a crowd is work for the machine.
    turns.wait()?;
    // Before the crowd, whose end is not to be told of.
    drop(watching);
    Ok(Samples::from([("latency".to_owned(), latencies)]))
}

/// What is done in a turn: the latency of each exit.
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
