//! [`Life`]: whole lives of children, one after another.

use std::time::{Duration, Instant};

use crate::candidate::Candidate;
use crate::options::Effort;
use crate::outcome::{self, Samples};
use crate::row::{Figure, Row, Unit};
use crate::turns::Turns;

const WARM_UP: usize = 5;

pub(crate) struct Life;

impl Row for Life {
    fn name(&self) -> &'static str {
        "life"
    }

    fn title(&self) -> &'static str {
        "Spawn /bin/true, be told of its exit, reap it; more is better"
    }

    fn size(&self) -> &'static str {
        "child at a time"
    }

    fn figures(&self) -> &'static [Figure] {
        static FIGURES: [Figure; 1] = [Figure::median("rate", "lives", Unit::PerSecond)];
        &FIGURES
    }

    fn rounds(&self, _size: usize, effort: Effort) -> usize {
        match effort {
            Effort::Full => 11,
            Effort::Quick => 1,
        }
    }

    fn measure(
        &self,
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
}
