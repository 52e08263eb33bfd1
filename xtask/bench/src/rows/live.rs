//! [`LIVE`]: live children, registered one after another, and then exiting all at once.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use childwatch_ptrace_free_tests::kit::crowd::Member;

use super::crowd::{gather, row, wait_until_dead, watch_all};
use super::entrants::WITH_THREADS_AND_DRIVEN;
use super::row::Row;
use super::task::Task;
use crate::candidates::candidate::Candidate;
use crate::figures::figure::Figure;
use crate::measuring::clock::{Cost, Stopwatch};
use crate::measuring::outcome::{Samples, single};
use crate::measuring::tally::Tally;

pub(crate) static LIVE: Row = Row {
    candidates: WITH_THREADS_AND_DRIVEN,
    ..row(
        "live",
        "Live children, which then exit at once",
        &[
            Figure::microseconds("register-cpu", "processor time to register, a child"),
            Figure::microseconds("register-wall", "time to register, a child"),
            Figure::microseconds("exits-cpu", "processor time to be told, an exit"),
            Figure::microseconds("exits-wall", "time to be told, an exit"),
            Figure::microseconds("total-cpu", "processor time in all, a child"),
            Figure::count("told-once", "exits told exactly once"),
        ],
        measure,
    )
};

fn measure(task: &mut Task<'_>) -> anyhow::Result<Samples> {
    let Lived {
        register,
        exits,
        told_once,
        ..
    } = live(task.candidate, task.size)?;
    let children = task.size as f64;
    Ok(single([
        ("register-cpu", register.cpu / children),
        ("register-wall", register.wall / children),
        ("exits-cpu", exits.cpu / children),
        ("exits-wall", exits.wall / children),
        ("total-cpu", (register.cpu + exits.cpu) / children),
        ("told-once", told_once as f64),
    ]))
}

/// The cost of watching a crowd.
pub(super) struct Lived {
    pub(super) register: Cost,
    pub(super) exits: Cost,
    pub(super) told_once: usize,
    /// How many of these callbacks got the status with which the child exited.
    pub(super) with_status: usize,
}

/// Registers live children, lets all exit at once, and waits for all callbacks.
pub(super) fn live(candidate: &dyn Candidate, size: usize) -> anyhow::Result<Lived> {
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

    // Reaping is an event of its own on recent kernels. It must run no callback again.
    wait_until_dead(&mut crowd);
    let statuses: Vec<_> = crowd.members().iter().map(ended).collect();
    drop(crowd);
    drop(watching);
    Ok(Lived {
        register,
        exits,
        told_once: tally.each_once()?,
        with_status: tally.with_status(statuses.into_iter())?,
    })
}

/// The status with which a child of a crowd exits.
fn ended(member: &Member) -> ExitStatus {
    ExitStatus::from_raw(member.code() << 8)
}
