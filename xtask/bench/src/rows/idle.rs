//! [`IDLE`]: the cost of watching children with which nothing happens.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::crowd::beside_idle;
use super::entrants::WITH_THREADS;
use super::row::{Company, Row};
use super::task::Task;
use crate::candidates::names::FLOOR;
use crate::figures::figure::{Figure, Unit};
use crate::measuring::clock;
use crate::measuring::outcome::{Samples, single};

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
    candidates: WITH_THREADS,
    floor: FLOOR,
    rounds: |_| 3,
    // All candidates are idle together. That disturbs none of them, and takes no longer than
    // one alone.
    company: Company::InTurns,
    measure,
};

fn measure(task: &mut Task<'_>) -> anyhow::Result<Samples> {
    // The calm is long enough for a heartbeat to slow down.
    let calm = task
        .effort
        .choose(Duration::from_secs(20), Duration::from_millis(20));
    let window = task
        .effort
        .choose(Duration::from_secs(20), Duration::from_millis(100));
    let size = task.size;
    beside_idle(task, size, size, |_, turns| {
        // All candidates have begun to watch. They then wait together.
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
        Ok(single([
            ("wake-ups", wake_ups as f64 / seconds),
            ("cpu", cpu.as_secs_f64() / seconds),
        ]))
    })
}

/// Returns how often the other threads of this process have waited, and therefore woken up.
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
