//! [`Dead`]: children that have exited already when they are registered.

use crate::candidate::Candidate;
use crate::clock::Stopwatch;
use crate::options::Effort;
use crate::outcome::{self, Samples};
use crate::row::{Figure, Row, Unit};
use crate::rows::{gather, rounds_of_a_crowd, wait_until_dead, watch_all};
use crate::tally::Tally;
use crate::turns::Turns;

pub(crate) struct Dead;

impl Row for Dead {
    fn name(&self) -> &'static str {
        "dead"
    }

    fn title(&self) -> &'static str {
        "Children that are dead already, registered and told"
    }

    fn size(&self) -> &'static str {
        "zombies"
    }

    fn figures(&self) -> &'static [Figure] {
        static FIGURES: [Figure; 2] = [
            Figure::median("cpu", "processor time, a child", Unit::Microseconds),
            Figure::median("wall", "time, a child", Unit::Microseconds),
        ];
        &FIGURES
    }

    fn rounds(&self, size: usize, effort: Effort) -> usize {
        rounds_of_a_crowd(size, effort)
    }

    fn measure(
        &self,
        candidate: &dyn Candidate,
        size: usize,
        _effort: Effort,
        _turns: &mut Turns<'_>,
    ) -> anyhow::Result<Samples> {
        let mut watching = candidate.watch_up_to(size)?;
        let (mut crowd, gate) = gather(size)?;
        drop(gate);
        wait_until_dead(&mut crowd)?;
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
}
