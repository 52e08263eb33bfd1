//! [`DEAD`]: children that have exited already when they are registered.

use crate::candidate::Candidate;
use crate::clock::Stopwatch;
use crate::options::Effort;
use crate::outcome::{self, Samples};
use crate::row::{Company, Figure, Row, Unit};
use crate::rows::{gather, rounds_of_a_crowd, wait_until_dead, watch_all};
use crate::tally::Tally;
use crate::turns::Turns;

pub(crate) static DEAD: Row = Row {
    name: "dead",
    title: "Children that are dead already, registered and told",
    size: "zombies",
    figures: &[
        Figure::median("cpu", "processor time, a child", Unit::Microseconds),
        Figure::median("wall", "time, a child", Unit::Microseconds),
    ],
    rounds: rounds_of_a_crowd,
    company: Company::Alone,
    measure,
};

fn measure(
    candidate: &dyn Candidate,
    size: usize,
    _effort: Effort,
    _turns: &mut Turns<'_>,
) -> anyhow::Result<Samples> {
    let mut watching = candidate.watch_up_to(size)?;
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
    Ok(outcome::single([
        ("cpu", cost.cpu / size as f64),
        ("wall", cost.wall / size as f64),
    ]))
}
