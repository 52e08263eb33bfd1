//! [`Memory`]: what a watched child takes of the heap.

use crate::candidate::Candidate;
use crate::clock::Stopwatch;
use crate::heap;
use crate::options::Effort;
use crate::outcome::{self, Samples};
use crate::row::{Figure, Row, Unit};
use crate::rows::{gather, watch_all};
use crate::tally::Tally;
use crate::turns::Turns;

pub(crate) struct Memory;

impl Row for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn title(&self) -> &'static str {
        "Heap, with the caller's own closure of two words; the kernel's part and stacks are not in it"
    }

    fn size(&self) -> &'static str {
        "children"
    }

    fn figures(&self) -> &'static [Figure] {
        static FIGURES: [Figure; 2] = [
            Figure::median("heap", "a watched child", Unit::Bytes),
            Figure::median("heap-total", "all watched children", Unit::Bytes),
        ];
        &FIGURES
    }

    /// Nothing here depends on time.
    fn rounds(&self, _size: usize, _effort: Effort) -> usize {
        1
    }

    fn measure(
        &self,
        candidate: &dyn Candidate,
        size: usize,
        _effort: Effort,
        _turns: &mut Turns<'_>,
    ) -> anyhow::Result<Samples> {
        let mut watching = candidate.watch_up_to(size)?;
        let (mut crowd, _gate) = gather(size)?;
        let tally = Tally::of(size);
        // Until the candidate's threads have what they begin with.
        Stopwatch::start().stop();
        let (bytes, watched) = heap::growth(|| {
            let stopwatch = Stopwatch::start();
            let watched = watch_all(&mut *watching, &mut crowd, &tally);
            // Until every thread has done its part.
            stopwatch.stop();
            watched
        });
        watched?;
        drop(watching);
        Ok(outcome::single([
            ("heap", bytes as f64 / size as f64),
            ("heap-total", bytes as f64),
        ]))
    }
}
