//! [`Live`]: live children, registered one after another, and then exiting all at once.

use crate::candidate::Candidate;
use crate::clock::Stopwatch;
use crate::options::Effort;
use crate::outcome::{self, Samples};
use crate::row::{Figure, Row, Unit};
use crate::rows::{gather, wait_until_dead, watch_all};
use crate::tally::Tally;

pub(crate) struct Live;

const fn a_child(name: &'static str, title: &'static str) -> Figure {
    Figure {
        name,
        title,
        series: name,
        quantile: 0.5,
        unit: Unit::Microseconds,
    }
}

impl Row for Live {
    fn name(&self) -> &'static str {
        "live"
    }

    fn title(&self) -> &'static str {
        "Live children, which then exit at once"
    }

    fn size(&self) -> &'static str {
        "children"
    }

    fn figures(&self) -> &'static [Figure] {
        static FIGURES: [Figure; 6] = [
            a_child("register-cpu", "processor time to register, a child"),
            a_child("register-wall", "time to register, a child"),
            a_child("exits-cpu", "processor time to be told, an exit"),
            a_child("exits-wall", "time to be told, an exit"),
            a_child("total-cpu", "processor time in all, a child"),
            Figure {
                name: "told-once",
                title: "exits told exactly once",
                series: "told-once",
                quantile: 0.5,
                unit: Unit::Count,
            },
        ];
        &FIGURES
    }

    fn rounds(&self, effort: Effort) -> usize {
        match effort {
            Effort::Full => 11,
            Effort::Quick => 1,
        }
    }

    fn measure(
        &self,
        candidate: &dyn Candidate,
        size: usize,
        _effort: Effort,
    ) -> anyhow::Result<Samples> {
        let mut watching = candidate.watch_up_to(size)?;
        let (mut crowd, gate) = gather(size)?;
        let tally = Tally::of(size);

        let stopwatch = Stopwatch::start();
        watch_all(&mut *watching, &mut crowd, &tally)?;
        let register = stopwatch.stop();

        let stopwatch = Stopwatch::start();
        drop(gate);
        tally.wait()?;
        let exits = stopwatch.stop();

        // Reaping is an event of its own on recent kernels: none may be told again.
        wait_until_dead(&mut crowd)?;
        drop(crowd);
        drop(watching);
        let told_once = tally.each_once()?;
        let children = size as f64;
        Ok(outcome::single([
            ("register-cpu", register.cpu / children),
            ("register-wall", register.wall / children),
            ("exits-cpu", exits.cpu / children),
            ("exits-wall", exits.wall / children),
            ("total-cpu", (register.cpu + exits.cpu) / children),
            ("told-once", told_once as f64),
        ]))
    }
}
