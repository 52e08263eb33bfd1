//! [`ON_TOKIO`], [`ON_TOKIO_THREADS`] and [`ON_ASYNC_IO`]: from an exit to the task that awaits it,
//! with the status.
//!
//! Every candidate has children of the same kind: [`Gated`] ones. Each is a fork with memory of its
//! own, which the kernel frees between the moment that is measured from and the exit. So the ratios
//! of these rows are nearer to one than those of the rows whose children share memory.

use std::time::Duration;

use anyhow::ensure;
use rustix::process::{WaitOptions, waitpid};

use super::crowd::{BEFORE_EXITS, wait_until_asleep};
use super::entrants::{TASKS_OF_ASYNC_IO, TASKS_OF_TOKIO};
use super::latency::{EXITS_A_TURN, QUANTILES};
use super::row::{Company, Measure, Row};
use super::task::Task;
use crate::candidates::candidate::Awaiting;
use crate::candidates::gated::{Gated, Left};
use crate::candidates::names::ASYNC_FD;
use crate::candidates::runtime::Runtime;
use crate::measuring::clock;
use crate::measuring::outcome::Samples;
use crate::measuring::tally::Tally;

pub(crate) static ON_TOKIO: Row = row(
    "task-tokio",
    "From an exit to the awaiting task, tokio with one thread",
    TASKS_OF_TOKIO,
    |task| measure(task, Runtime::Tokio),
);

pub(crate) static ON_TOKIO_THREADS: Row = row(
    "task-tokio-threads",
    "From an exit to the awaiting task, tokio with two threads",
    TASKS_OF_TOKIO,
    |task| measure(task, Runtime::TokioThreads),
);

pub(crate) static ON_ASYNC_IO: Row = row(
    "task-async-io",
    "From an exit to the awaiting task, async-io",
    TASKS_OF_ASYNC_IO,
    |task| measure(task, Runtime::AsyncIo),
);

const fn row(
    name: &'static str,
    title: &'static str,
    candidates: &'static [&'static str],
    measure: Measure,
) -> Row {
    Row {
        name,
        title,
        size: "child at a time",
        figures: &QUANTILES,
        candidates,
        floor: ASYNC_FD,
        rounds: |_| 9,
        company: Company::InTurns,
        measure,
    }
}

fn measure(task: &mut Task<'_>, runtime: Runtime) -> anyhow::Result<Samples> {
    let measured_turns = task.effort.choose(8, 1);
    let mut awaiting = task.candidate.await_on(runtime)?;
    task.turns.wait()?;
    let _warm_up = some_exits(&mut *awaiting)?;
    let mut latencies = Vec::new();
    for _ in 0..measured_turns {
        task.turns.wait()?;
        latencies.extend(some_exits(&mut *awaiting)?);
    }
    Ok(Samples::from([("latency".to_owned(), latencies)]))
}

/// Measures the latency of each exit of a turn.
fn some_exits(awaiting: &mut dyn Awaiting) -> anyhow::Result<[f64; EXITS_A_TURN]> {
    let mut latencies = [0.0; EXITS_A_TURN];
    for latency in &mut latencies {
        *latency = one_exit(awaiting)?.as_secs_f64();
    }
    Ok(latencies)
}

fn one_exit(awaiting: &mut dyn Awaiting) -> anyhow::Result<Duration> {
    let (child, gate) = Gated::new()?;
    let tally = Tally::of(1);
    let pid = awaiting.start(child, tally.told(0))?;
    wait_until_asleep(pid)?;
    clock::pause(BEFORE_EXITS);
    let left = gate.open();
    let told = tally.wait()?;
    let left = left.at()?;
    // Some candidates have reaped it. Only a child of this process can have the pid.
    let _ = waitpid(
        rustix::process::Pid::from_raw(pid.as_raw()),
        WaitOptions::NOHANG,
    );
    let with_status = tally.with_status([Left::status()].into_iter())?;
    ensure!(with_status == 1, "told without its status");
    Ok(told.saturating_sub(left))
}
