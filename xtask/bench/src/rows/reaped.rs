//! [`REAPED`]: children that another thread of the program reaps before the watcher looks.
//!
//! If a signal names the child, the watcher knows enough. If that signal was merged into
//! another child's, the watcher sees a signal that names another child, and finds no zombie.
//! To measure that case every time, the children here send no signal. The thread that has
//! reaped them then sends `SIGCHLD` to the program, which names no child.

use std::thread;

use rustix::process::{Signal, getpid, kill_process};

use crate::candidate::{Candidate, Watching};
use crate::clock;
use crate::options::Effort;
use crate::outcome::Samples;
use crate::row::{Company, Figure, Row, Unit};
use crate::rows::lateness::{Batch, Lateness, SIZE, exits, measure_in_turns};
use crate::rows::{BEFORE_EXITS, gather_silent, watch_idle};
use crate::tally::Tally;
use crate::turns::Turns;

const EXITS: usize = 10;

pub(crate) static REAPED: Row = Row {
    name: "reaped",
    title: "From an exit to its callback, of 10 children that another thread reaps at once; no signal names them",
    size: SIZE,
    figures: &[
        Figure::median("p50", "median", Unit::Milliseconds),
        Figure::median(
            "last",
            "from the last exit to the last callback",
            Unit::Milliseconds,
        ),
    ],
    rounds: |_| 6,
    company: Company::InTurns,
    measure,
};

fn measure(
    candidate: &dyn Candidate,
    size: usize,
    effort: Effort,
    turns: &mut Turns<'_>,
) -> anyhow::Result<Samples> {
    let most_turns = match effort {
        Effort::Full => 4,
        Effort::Quick => 1,
    };
    let exits = exits(EXITS, size);
    let mut watching = candidate.watch_up_to(size)?;
    let _idle = watch_idle(&mut *watching, size - exits)?;
    let mut samples = Samples::new();
    measure_in_turns(turns, most_turns, &mut samples, ["p50", "last"], || {
        exits_reaped_by_another(&mut *watching, exits)
    })?;
    turns.wait()?;
    drop(watching);
    Ok(samples)
}

fn exits_reaped_by_another(watching: &mut dyn Watching, exits: usize) -> anyhow::Result<Lateness> {
    let crowd = gather_silent(exits)?;
    let (mut batch, gate) = Batch::watch(watching, crowd, Tally::of_late(exits))?;
    clock::pause(BEFORE_EXITS);
    let members = batch.crowd.members();
    thread::scope(|scope| {
        scope.spawn(|| {
            for member in members {
                member.reap();
            }
            // A process may always signal itself.
            let _ = kill_process(getpid(), Signal::CHILD);
        });
        drop(gate);
    });
    batch.finish()
}
