//! [`MEMORY`]: the heap that a watched child takes.

use super::crowd::{gather, row, watch_all};
use super::entrants::WITH_THREADS_AND_DRIVEN;
use super::row::Row;
use super::task::Task;
use crate::figures::figure::{Figure, Unit};
use crate::measuring::clock::Stopwatch;
use crate::measuring::heap;
use crate::measuring::outcome::{Samples, single};
use crate::measuring::tally::Tally;

pub(crate) static MEMORY: Row = Row {
    // Nothing here depends on time.
    rounds: |_| 1,
    candidates: WITH_THREADS_AND_DRIVEN,
    ..row(
        "memory",
        "Heap, with the caller's own closure of two words; the kernel's part and stacks are not in it",
        &[
            Figure::median("heap", "a watched child", Unit::Bytes),
            Figure::median("heap-total", "all watched children", Unit::Bytes),
        ],
        measure,
    )
};

fn measure(task: &mut Task<'_>) -> anyhow::Result<Samples> {
    let size = task.size;
    let mut watching = task.candidate.watch_up_to(size)?;
    let (mut crowd, _gate) = gather(size)?;
    let tally = Tally::of(size);
    // Waits until the candidate's threads have allocated what they begin with.
    Stopwatch::start().stop();
    let (bytes, watched) = heap::growth(|| {
        let stopwatch = Stopwatch::start();
        let watched = watch_all(&mut *watching, &mut crowd, &tally);
        // Waits until every thread has done its part.
        stopwatch.stop();
        watched
    });
    watched?;
    drop(watching);
    Ok(single([
        ("heap", bytes as f64 / size as f64),
        ("heap-total", bytes as f64),
    ]))
}
