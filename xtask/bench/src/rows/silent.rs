//! [`SILENT`]: children whose exits send no signal at all.
//!
//! A watcher that relies on signals finds such an exit only when it looks at all children of
//! its own accord. How often it does so may depend on what has happened lately. Therefore the
//! row has one exit after a calm, and then a stream of exits.

use std::fs::File;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use childwatch_ptrace_free_tests::crowd;

use crate::candidate::Candidate;
use crate::clock;
use crate::options::Effort;
use crate::outcome::Samples;
use crate::row::{Company, Figure, Row, Unit};
use crate::rows::lateness::{Batch, SIZE, exits};
use crate::rows::{gather_silent, watch_idle};
use crate::tally::Tally;
use crate::turns::Turns;

pub(crate) static SILENT: Row = Row {
    name: "silent",
    title: "From an exit to its callback, of children whose exits send no signal",
    size: SIZE,
    figures: &[
        Figure::median(
            "first",
            "one exit after ten seconds of calm",
            Unit::Milliseconds,
        ),
        Figure::median(
            "stream",
            "twenty exits in two seconds, median",
            Unit::Milliseconds,
        ),
        Figure::quantile(
            "stream-longest",
            "twenty exits in two seconds, the longest",
            "stream",
            1.0,
            Unit::Milliseconds,
        ),
    ],
    rounds: |_| 5,
    // All wait together, which disturbs nobody and takes no longer than one.
    company: Company::InTurns,
    measure,
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

fn measure(
    candidate: &dyn Candidate,
    size: usize,
    effort: Effort,
    turns: &mut Turns<'_>,
) -> anyhow::Result<Samples> {
    let times = Times::of(effort);
    let count = exits(times.stream, size);
    let mut watching = candidate.watch_up_to(size)?;
    let _idle = watch_idle(&mut *watching, size - count - 1)?;
    let (first, first_gate) = Batch::watch(&mut *watching, gather_silent(1)?, Tally::of_late(1))?;
    let tally = Tally::of_late(count);
    let (stream, stream_gate) = Batch::watch(&mut *watching, gather_silent(count)?, tally)?;
    // From here on all candidates watch. A turn that only waits passes for all of them at
    // the same time.
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
    turns.wait()?;
    drop(watching);
    Ok(Samples::from([
        ("first".to_owned(), first.each),
        ("stream".to_owned(), stream.each),
    ]))
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
