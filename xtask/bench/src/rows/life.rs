//! [`LIFE`]: whole lives of children, one after another.

use std::time::{Duration, Instant};

use super::entrants::WITH_THREADS;
use super::row::{Company, Row};
use super::task::Task;
use crate::candidates::names::FLOOR;
use crate::figures::figure::{Figure, Unit};
use crate::measuring::outcome::{Samples, single};

const WARM_UP: usize = 5;

pub(crate) static LIFE: Row = Row {
    name: "life",
    title: "Spawn /bin/true, be told of its exit, reap it; more is better",
    size: "child at a time",
    figures: &[Figure::median("rate", "lives", Unit::PerSecond)],
    candidates: WITH_THREADS,
    floor: FLOOR,
    rounds: |_| 11,
    company: Company::Alone,
    measure,
};

fn measure(task: &mut Task<'_>) -> anyhow::Result<Samples> {
    let time = task
        .effort
        .choose(Duration::from_millis(500), Duration::from_millis(20));
    let mut supervising = task.candidate.supervise()?;
    for _ in 0..WARM_UP {
        supervising.one_life()?;
    }
    let start = Instant::now();
    let mut lives = 0_u32;
    while start.elapsed() < time {
        supervising.one_life()?;
        lives += 1;
    }
    let rate = f64::from(lives) / start.elapsed().as_secs_f64();
    Ok(single([("rate", rate)]))
}
