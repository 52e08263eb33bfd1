//! [`REAPED`]: children that another thread of the program reaps before the watcher looks.
//!
//! If a signal names the child, the watcher knows enough. If that signal was merged into
//! another child's, the watcher sees a signal that names another child, and finds no zombie.
//! To measure that case every time, the children here send no signal. The thread that has
//! reaped them then sends `SIGCHLD` to the program, which names no child.

use std::thread;

use rustix::process::{Signal, getpid, kill_process};

use super::crowd::{BEFORE_EXITS, beside_idle, gather_silent};
use super::lateness::{Batch, Lateness, exits, measure_in_turns, row};
use super::row::Row;
use super::task::Task;
use crate::candidates::candidate::Watching;
use crate::figures::figure::Figure;
use crate::measuring::clock;
use crate::measuring::outcome::Samples;
use crate::measuring::tally::Tally;

const EXITS: usize = 10;

pub(crate) static REAPED: Row = row(
    "reaped",
    "From an exit to its callback, of 10 children that another thread reaps at once; no signal names them",
    &[
        Figure::milliseconds("p50", "median"),
        Figure::milliseconds("last", "from the last exit to the last callback"),
    ],
    measure,
);

fn measure(task: &mut Task<'_>) -> anyhow::Result<Samples> {
    let most_turns = task.effort.choose(4, 1);
    let exits = exits(EXITS, task.size);
    let (size, idle) = (task.size, task.size - exits);
    beside_idle(task, size, idle, |watching, turns| {
        let mut samples = Samples::new();
        let measure = || exits_reaped_by_another(watching, exits);
        measure_in_turns(turns, most_turns, &mut samples, ["p50", "last"], measure)?;
        Ok(samples)
    })
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
