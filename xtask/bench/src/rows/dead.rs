//! [`DEAD`]: children that have exited already when they are registered.

use super::crowd::{gather, row, wait_until_dead, watch_all};
use super::entrants::WITH_THREADS_AND_DRIVEN;
use super::row::Row;
use super::task::Task;
use crate::figures::figure::Figure;
use crate::measuring::clock::Stopwatch;
use crate::measuring::outcome::{Samples, single};
use crate::measuring::tally::Tally;

pub(crate) static DEAD: Row = Row {
    size: "zombies",
    candidates: WITH_THREADS_AND_DRIVEN,
    ..row(
        "dead",
        "Children that are dead already, registered and told",
        &[
            Figure::microseconds("cpu", "processor time, a child"),
            Figure::microseconds("wall", "time, a child"),
        ],
        measure,
    )
};

fn measure(task: &mut Task<'_>) -> anyhow::Result<Samples> {
    let size = task.size;
    let mut watching = task.candidate.watch_up_to(size)?;
    let (mut crowd, gate) = gather(size)?;
    drop(gate);
    wait_until_dead(&mut crowd);
    let tally = Tally::of(size);

    let stopwatch = Stopwatch::start();
    watch_all(&mut *watching, &mut crowd, &tally)?;
    tally.wait()?;
    let cost = stopwatch.stop();

    drop(watching);
    tally.each_once()?;
    Ok(single([
        ("cpu", cost.cpu / size as f64),
        ("wall", cost.wall / size as f64),
    ]))
}
