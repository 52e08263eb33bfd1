//! [`MEMORY`]: what a watched child takes of the heap.

use crate::candidate::Candidate;
use crate::clock::Stopwatch;
use crate::heap;
use crate::options::Effort;
use crate::outcome::{self, Samples};
use crate::row::{Company, Figure, Row, Unit};
use crate::rows::{gather, watch_all};
use crate::tally::Tally;
use crate::turns::Turns;

pub(crate) static MEMORY: Row = Row {
    name: "memory",
    title: "Heap, with the caller's own closure of two words; the kernel's part and stacks are not in it",
    size: "children",
    figures: &[
        Figure::median("heap", "a watched child", Unit::Bytes),
        Figure::median("heap-total", "all watched children", Unit::Bytes),
    ],
    // Nothing here depends on time.
    rounds: |_| 1,
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
