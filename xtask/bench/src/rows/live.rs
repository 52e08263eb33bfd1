//! [`LIVE`]: live children, registered one after another, and then exiting all at once.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use childwatch_ptrace_free_tests::crowd::Member;

use crate::candidate::Candidate;
use crate::clock::{Cost, Stopwatch};
use crate::options::Effort;
use crate::outcome::{self, Samples};
use crate::row::{Company, Figure, Row, Unit};
use crate::rows::{gather, rounds_of_a_crowd, wait_until_dead, watch_all};
use crate::tally::Tally;
use crate::turns::Turns;

pub(crate) static LIVE: Row = Row {
    name: "live",
    title: "Live children, which then exit at once",
    size: "children",
    figures: &[
        a_child("register-cpu", "processor time to register, a child"),
        a_child("register-wall", "time to register, a child"),
        a_child("exits-cpu", "processor time to be told, an exit"),
        a_child("exits-wall", "time to be told, an exit"),
        a_child("total-cpu", "processor time in all, a child"),
        Figure::median("told-once", "exits told exactly once", Unit::Count),
    ],
    rounds: rounds_of_a_crowd,
    company: Company::Alone,
    measure,
};

const fn a_child(name: &'static str, title: &'static str) -> Figure {
    Figure::median(name, title, Unit::Microseconds)
}

fn measure(
    candidate: &dyn Candidate,
    size: usize,
    _effort: Effort,
    _turns: &mut Turns<'_>,
) -> anyhow::Result<Samples> {
    let Lived {
        register,
        exits,
        told_once,
        ..
    } = live(candidate, size)?;
    let children = size as f64;
    Ok(outcome::single([
        ("register-cpu", register.cpu / children),
        ("register-wall", register.wall / children),
        ("exits-cpu", exits.cpu / children),
        ("exits-wall", exits.wall / children),
        ("total-cpu", (register.cpu + exits.cpu) / children),
        ("told-once", told_once as f64),
    ]))
}

/// What it took to watch a crowd.
pub(super) struct Lived {
    pub(super) register: Cost,
    pub(super) exits: Cost,
    pub(super) told_once: usize,
    /// Of these, how many with the status that the child ended with.
    pub(super) with_status: usize,
}

/// Registers live children, lets all exit at once, and has each told.
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

    // Reaping is an event of its own on recent kernels: none may be told again.
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

/// The status that a child of a crowd ends with.
fn ended(member: &Member) -> ExitStatus {
    ExitStatus::from_raw(member.code() << 8)
}
