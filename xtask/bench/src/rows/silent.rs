//! [`SILENT`]: children whose exits send no signal at all.
//!
//! A watcher that relies on signals finds such an exit only when it looks at all children
//! unprompted. How often it does so may depend on recent exits. Therefore the row has one exit
//! after a calm, and then a stream of exits.

use std::fs::File;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use childwatch_ptrace_free_tests::kit::crowd;

use super::crowd::{beside_idle, gather_silent};
use super::lateness::{Batch, exits, row};
use super::row::Row;
use super::task::Task;
use crate::figures::figure::{Figure, Unit};
use crate::measuring::clock;
use crate::measuring::conditions::Effort;
use crate::measuring::outcome::Samples;
use crate::measuring::tally::Tally;

pub(crate) static SILENT: Row = Row {
    rounds: |_| 5,
    ..row(
        "silent",
        "From an exit to its callback, of children whose exits send no signal",
        &[
            Figure::milliseconds("first", "one exit after ten seconds of calm"),
            Figure::milliseconds("stream", "twenty exits in two seconds, median"),
            Figure::quantile(
                "stream-longest",
                "twenty exits in two seconds, the longest",
                "stream",
                1.0,
                Unit::Milliseconds,
            ),
        ],
        measure,
    )
};

/// How long each part takes.
struct Times {
    calm: Duration,
    /// About the longest time between two heartbeats. The calm is longer by a random part of
    /// it, so that the exit may come at any point between two heartbeats.
    heartbeat: Duration,
    stream: usize,
    between: Duration,
}

impl Times {
    fn of(effort: Effort) -> Self {
        match effort {
            Effort::Full => Times {
                calm: Duration::from_secs(8),
                heartbeat: Duration::from_secs(5),
                stream: 20,
                between: Duration::from_millis(100),
            },
            Effort::Quick => Times {
                calm: Duration::from_millis(20),
                heartbeat: Duration::from_millis(1),
                stream: 2,
                between: Duration::from_millis(10),
            },
        }
    }
}

fn measure(task: &mut Task<'_>) -> anyhow::Result<Samples> {
    let times = Times::of(task.effort);
    let count = exits(times.stream, task.size);
    let (size, idle) = (task.size, task.size - count - 1);
    beside_idle(task, size, idle, |watching, turns| {
        let (first, first_gate) = Batch::watch(watching, gather_silent(1)?, Tally::of_late(1))?;
        let tally = Tally::of_late(count);
        let (stream, stream_gate) = Batch::watch(watching, gather_silent(count)?, tally)?;
        // From here on all candidates watch. A turn that only waits passes for all of them
        // at the same time.
        turns.wait()?;
        let watched = Instant::now();
        turns.wait()?;
        clock::pause_until(watched + times.calm + part_of(times.heartbeat));
        turns.wait()?;
        drop(first_gate);
        turns.wait()?;
        let first = first.finish()?;

        turns.wait()?;
        let exits = thread::spawn(move || let_go(count, times.between, stream_gate.into()));
        turns.wait()?;
        exits
            .join()
            .map_err(|_| anyhow!("the stream of exits broke off"))??;
        let stream = stream.finish()?;
        Ok(Samples::from([
            ("first".to_owned(), first.each),
            ("stream".to_owned(), stream.each),
        ]))
    })
}

/// Lets one child after another read a byte from its gate, and so exit.
fn let_go(count: usize, between: Duration, mut gate: File) -> std::io::Result<()> {
    for _ in 0..count {
        gate.write_all(&[0])?;
        clock::pause(between);
    }
    Ok(())
}

/// Returns a random part of this time.
fn part_of(time: Duration) -> Duration {
    let nanoseconds = crowd::now().as_nanos() % time.as_nanos();
    Duration::from_nanos(nanoseconds as u64)
}
