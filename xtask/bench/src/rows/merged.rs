//! [`MERGED`]: children that exit at once, so that the kernel merges their signals.
//!
//! When fifty children exit at once, the handler of `SIGCHLD` mostly runs one to six times
//! (Linux 6.18, two processors). The other signals are lost, and a watcher that relies on
//! signals has to look for their children.
//!
//! Each callback reaps its child, as most programs do. In the first half of the measurement
//! the only zombies are therefore the children whose callbacks have not run yet. In the
//! second half the program's oldest child is a zombie too. Nobody watches it or reaps it, and
//! it is the first in the kernel's list of children.

use crate::candidate::{Candidate, Watching};
use crate::clock;
use crate::options::Effort;
use crate::outcome::Samples;
use crate::row::{Company, Figure, Row, Unit};
use crate::rows::lateness::{Batch, Lateness, SIZE, exits, measure_in_turns};
use crate::rows::{BEFORE_EXITS, gather, wait_until_dead, watch_idle};
use crate::tally::Tally;
use crate::turns::Turns;

/// Enough that their signals are merged, and few beside the idle children.
const EXITS: usize = 50;

pub(crate) static MERGED: Row = Row {
    name: "merged",
    title: "From an exit to its callback, of 50 children that exit at once",
    size: SIZE,
    figures: &[
        late("p50", "median"),
        late("last", "from the last exit to the last callback"),
        late("p50-behind", "median, behind an unreaped zombie"),
        late(
            "last-behind",
            "from the last exit to the last callback, behind an unreaped zombie",
        ),
    ],
    rounds: |_| 6,
    // As for the latency of single exits.
    company: Company::InTurns,
    measure,
};

const fn late(name: &'static str, title: &'static str) -> Figure {
    Figure::median(name, title, Unit::Microseconds)
}

fn measure(
    candidate: &dyn Candidate,
    size: usize,
    effort: Effort,
    turns: &mut Turns<'_>,
) -> anyhow::Result<Samples> {
    let most_turns = match effort {
        Effort::Full => 10,
        Effort::Quick => 1,
    };
    let exits = exits(EXITS, size);
    let mut watching = candidate.watch_up_to(size)?;
    // The oldest child: the first in the kernel's list.
    let (mut front, front_gate) = gather(1)?;
    let _idle = watch_idle(&mut *watching, size - exits)?;
    let mut samples = Samples::new();
    turns.wait()?;
    // A single exit, whose signal is not merged.
    let _warm_up = exits_at_once(&mut *watching, 1)?;
    let mut measure = |series| {
        let exits_at_once = || exits_at_once(&mut *watching, exits);
        measure_in_turns(turns, most_turns, &mut samples, series, exits_at_once)
    };
    measure(["p50", "last"])?;
    drop(front_gate);
    wait_until_dead(&mut front);
    measure(["p50-behind", "last-behind"])?;
    // Till the others have measured too: the end of a crowd is work for the machine.
    turns.wait()?;
    drop(watching);
    Ok(samples)
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
