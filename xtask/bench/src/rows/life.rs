//! [`LIFE`]: whole lives of children, one after another.

use std::time::{Duration, Instant};

use crate::candidate::Candidate;
use crate::options::Effort;
use crate::outcome::{self, Samples};
use crate::row::{Company, Figure, Row, Unit};
use crate::turns::Turns;

const WARM_UP: usize = 5;

pub(crate) static LIFE: Row = Row {
    name: "life",
    title: "Spawn /bin/true, be told of its exit, reap it; more is better",
    size: "child at a time",
    figures: &[Figure::median("rate", "lives", Unit::PerSecond)],
    rounds: |_| 11,
    company: Company::Alone,
    measure,
};

fn measure(
    candidate: &dyn Candidate,
    _size: usize,
    effort: Effort,
    _turns: &mut Turns<'_>,
) -> anyhow::Result<Samples> {
    let time = match effort {
        Effort::Full => Duration::from_millis(500),
        Effort::Quick => Duration::from_millis(20),
    };
    let mut supervising = candidate.supervise()?;
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
    Ok(outcome::single([("rate", rate)]))
}
