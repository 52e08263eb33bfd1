//! [`IDLE`]: what it costs to watch children with which nothing happens.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::candidate::Candidate;
use crate::clock;
use crate::options::Effort;
use crate::outcome::{self, Samples};
use crate::row::{Company, Figure, Row, Unit};
use crate::rows::watch_idle;
use crate::turns::Turns;

pub(crate) static IDLE: Row = Row {
    name: "idle",
    title: "Children with which nothing happens",
    size: "children",
    figures: &[
        Figure::median(
            "wake-ups",
            "wake-ups of the candidate's threads",
            Unit::WakeUpsPerSecond,
        ),
        Figure::median("cpu", "processor time, of one core", Unit::PercentOfACore),
    ],
    rounds: |_| 3,
    // All are idle together, which disturbs nobody and takes no longer than one.
    company: Company::InTurns,
    measure,
};

fn measure(
    candidate: &dyn Candidate,
    size: usize,
    effort: Effort,
    turns: &mut Turns<'_>,
) -> anyhow::Result<Samples> {
    let (calm, window) = match effort {
        // Until a heartbeat that backs off has done so.
        Effort::Full => (Duration::from_secs(20), Duration::from_secs(20)),
        Effort::Quick => (Duration::from_millis(20), Duration::from_millis(100)),
    };
    let mut watching = candidate.watch_up_to(size)?;
    let _idle = watch_idle(&mut *watching, size)?;
    // All have begun to watch, and one waits for all.
    turns.wait()?;
    let watched = Instant::now();
    turns.wait()?;
    clock::pause_until(watched + calm);

    let start = Instant::now();
    let (wake_ups, cpu) = (others_wake_ups()?, clock::others_cpu());
    turns.wait()?;
    clock::pause_until(start + window);
    let wake_ups = others_wake_ups()? - wake_ups;
    let cpu = clock::others_cpu().saturating_sub(cpu);
    let seconds = start.elapsed().as_secs_f64();
    // Nobody's crowd ends before all have measured.
    turns.wait()?;
    drop(watching);
    Ok(outcome::single([
        ("wake-ups", wake_ups as f64 / seconds),
        ("cpu", cpu.as_secs_f64() / seconds),
    ]))
}

/// How often any thread but this one has waited, and so been woken.
fn others_wake_ups() -> anyhow::Result<u64> {
    let own = rustix::thread::gettid().as_raw_nonzero().to_string();
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?;
        if task.file_name().to_str() == Some(&own) {
            continue;
        }
        let status = fs::read_to_string(task.path().join("status"))?;
        let count = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .context("a status without voluntary_ctxt_switches")?;
        sum += count.trim().parse::<u64>()?;
    }
    Ok(sum)
}
