//! [`MERGED`]: children that exit at once, so that the kernel merges their signals.
//!
//! When fifty children exit at once, the handler of `SIGCHLD` mostly runs one to six times
//! (Linux 6.18, two processors). The other signals are lost, and a watcher that relies on
//! signals has to look for their children.
//!
//! Each callback reaps its child, as most programs do. In the first half of the measurement
//! the only zombies are therefore the children whose callbacks have not run yet. In the
//! second half the program's oldest child is a zombie too. It is neither watched nor reaped, and
//! it is the first in the kernel's list of children.

use super::crowd::{BEFORE_EXITS, beside_idle, gather, wait_until_dead};
use super::lateness::{Batch, Lateness, exits, measure_in_turns, row};
use super::row::Row;
use super::task::Task;
use crate::candidates::candidate::Watching;
use crate::figures::figure::Figure;
use crate::measuring::clock;
use crate::measuring::outcome::Samples;
use crate::measuring::tally::Tally;

/// Enough exits for the kernel to merge their signals, and few beside the idle children.
const EXITS: usize = 50;

pub(crate) static MERGED: Row = row(
    "merged",
    "From an exit to its callback, of 50 children that exit at once",
    &[
        Figure::microseconds("p50", "median"),
        Figure::microseconds("last", "from the last exit to the last callback"),
        Figure::microseconds("p50-behind", "median, behind an unreaped zombie"),
        Figure::microseconds(
            "last-behind",
            "from the last exit to the last callback, behind an unreaped zombie",
        ),
    ],
    measure,
);

fn measure(task: &mut Task<'_>) -> anyhow::Result<Samples> {
    let most_turns = task.effort.choose(10, 1);
    let exits = exits(EXITS, task.size);
    let (size, idle) = (task.size, task.size - exits);
    // The oldest child is the first in the kernel's list.
    let (mut front, front_gate) = gather(1)?;
    beside_idle(task, size, idle, |watching, turns| {
        let mut samples = Samples::new();
        turns.wait()?;
        // The signal of a single exit is not merged.
        let _warm_up = exits_at_once(watching, 1)?;
        let mut measure = |series| {
            let exits_at_once = || exits_at_once(watching, exits);
            measure_in_turns(turns, most_turns, &mut samples, series, exits_at_once)
        };
        measure(["p50", "last"])?;
        drop(front_gate);
        wait_until_dead(&mut front);
        measure(["p50-behind", "last-behind"])?;
        Ok(samples)
    })
}

fn exits_at_once(watching: &mut dyn Watching, exits: usize) -> anyhow::Result<Lateness> {
    let (mut crowd, gate) = gather(exits)?;
    let children = crowd.members().iter().map(|member| member.pid());
    let tally = Tally::of_reaped(children.collect());
    let (batch, gate) = Batch::watch(watching, (crowd, gate), tally)?;
    clock::pause(BEFORE_EXITS);
    drop(gate);
    batch.finish()
}
