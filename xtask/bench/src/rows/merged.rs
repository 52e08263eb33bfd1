//! [`MERGED`]: children that exit at once, so that the kernel merges their signals.
//!
//! For fifty exits at once the handler of `SIGCHLD` mostly runs one to six times (Linux
//! 6.18, two processors). The other signals are lost, and a watcher that relies on signals
//! has to look for these children.
//! Each callback reaps its child, as most programs do. So the kernel's list of children has
//! no other zombies than those that are still to be told, and, in the second half of the
//! measurement, one that the program does not watch and leaves there, before all others.

use crate::candidate::{Candidate, Watching};
use crate::clock;
use crate::options::Effort;
use crate::outcome::Samples;
use crate::row::{Company, Figure, Row, Unit};
use crate::rows::lateness::{Batch, Lateness, SIZE, exits, measure_in_turns};
use crate::rows::{BEFORE_EXITS, gather, wait_until_dead, watch_idle};
use crate::tally::Tally;
use crate::turns::Turns;

/// Enough to be merged, and few beside the idle ones.
const EXITS: usize = 50;

pub(crate) static MERGED: Row = Row {
    name: "merged",
    title: "From an exit to its callback, of 50 children that exit at once",
    size: SIZE,
    figures: &[
        late("p50", "median"),
        late("last", "from the last exit until all are told"),
        late("p50-behind", "median, behind an unreaped zombie"),
        late(
            "last-behind",
            "from the last exit until all are told, behind an unreaped zombie",
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
    // One by itself: its signal is merged with none.
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
