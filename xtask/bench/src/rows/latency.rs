//! [`Latency`]: from an exit to its callback, with idle children watched beside it.

use std::time::Duration;

use anyhow::Context;

use crate::candidate::{Candidate, Watching};
use crate::clock;
use crate::options::Effort;
use crate::outcome::Samples;
use crate::row::{Figure, Row, Unit};
use crate::rows::{gather, watch_all};
use crate::tally::Tally;

/// By then all is over that the exit before has set off.
const BETWEEN_EXITS: Duration = Duration::from_millis(8);
/// Exits that come before those that are measured.
const WARM_UP: usize = 5;

pub(crate) struct Latency;

impl Row for Latency {
    fn name(&self) -> &'static str {
        "latency"
    }

    fn title(&self) -> &'static str {
        "From an exit to its callback"
    }

    fn size(&self) -> &'static str {
        "idle children watched too"
    }

    fn figures(&self) -> &'static [Figure] {
        const fn quantile(name: &'static str, title: &'static str, quantile: f64) -> Figure {
            Figure {
                name,
                title,
                series: "latency",
                quantile,
                unit: Unit::Microseconds,
            }
        }
        static FIGURES: [Figure; 2] = [
            quantile("p50", "median", 0.5),
            quantile("p99", "99th percentile", 0.99),
        ];
        &FIGURES
    }

    fn rounds(&self, _size: usize, effort: Effort) -> usize {
        match effort {
            Effort::Full => 9,
            Effort::Quick => 1,
        }
    }

    fn measure(
        &self,
        candidate: &dyn Candidate,
        size: usize,
        effort: Effort,
    ) -> anyhow::Result<Samples> {
        let exits = match effort {
            Effort::Full => 100,
            Effort::Quick => 5,
        };
        let mut watching = candidate.watch_up_to(size + 1)?;
        let (mut idle, _gate) = gather(size)?;
        let never = Tally::of(size);
        watch_all(&mut *watching, &mut idle, &never)?;
        let mut latencies = Vec::with_capacity(exits);
        for exit in 0..WARM_UP + exits {
            let latency = one_exit(&mut *watching)?;
            if exit >= WARM_UP {
                latencies.push(latency.as_secs_f64());
            }
        }
        // Before the crowd, whose end is not to be told of.
        drop(watching);
        Ok(Samples::from([("latency".to_owned(), latencies)]))
    }
}

fn one_exit(watching: &mut dyn Watching) -> anyhow::Result<Duration> {
    let (mut crowd, gate) = gather(1)?;
    let tally = Tally::of(1);
    watch_all(watching, &mut crowd, &tally)?;
    clock::pause(BETWEEN_EXITS);
    drop(gate);
    let told = tally.wait()?;
    let child = &mut crowd.members()[0];
    let left = child.left_at().context("it was told before the exit")?;
    child.reap();
    Ok(told.saturating_sub(left))
}
