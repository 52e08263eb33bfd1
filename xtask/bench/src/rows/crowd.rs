//! Crowds of children, gathered and watched for the rows.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use childwatch_core::Pid;
use childwatch_ptrace_free_tests::kit::crowd::Crowd;

use super::entrants::WITH_THREADS;
use super::row::{Company, Measure, Row};
use super::task::Task;
use crate::candidates::candidate::Watching;
use crate::candidates::names::FLOOR;
use crate::figures::figure::Figure;
use crate::measuring::clock;
use crate::measuring::limits;
use crate::measuring::outcome::Samples;
use crate::measuring::tally::Tally;
use crate::measuring::turns::Turns;

/// A pause before children exit. By its end the machine has finished the work of the exits
/// before.
pub(super) const BEFORE_EXITS: Duration = Duration::from_millis(8);

/// The time between two looks at a child that has not arrived.
const A_MOMENT: Duration = Duration::from_millis(1);

/// A row that measures a whole crowd, each candidate alone.
pub(super) const fn row(
    name: &'static str,
    title: &'static str,
    figures: &'static [Figure],
    measure: Measure,
) -> Row {
    Row {
        name,
        title,
        size: "children",
        figures,
        candidates: WITH_THREADS,
        floor: FLOOR,
        rounds,
        company: Company::Alone,
        measure,
    }
}

/// A small crowd takes a fraction of a second, in which chance has more weight. It is
/// measured more often.
fn rounds(size: usize) -> usize {
    const SMALL: usize = 1_000;
    if size <= SMALL { 31 } else { 12 }
}

/// Gathers children at a gate, and returns when all have arrived. Their start then takes no
/// time from the measurement. They exit when the gate is dropped.
pub(super) fn gather(count: usize) -> anyhow::Result<(Crowd, OwnedFd)> {
    gather_by(Crowd::gather, count)
}

/// Gathers children whose exits send no signal.
pub(super) fn gather_silent(count: usize) -> anyhow::Result<(Crowd, OwnedFd)> {
    gather_by(Crowd::gather_silent, count)
}

fn gather_by(
    make: fn(usize) -> io::Result<(Crowd, OwnedFd)>,
    count: usize,
) -> anyhow::Result<(Crowd, OwnedFd)> {
    limits::check_processes(count)?;
    let (mut crowd, gate) = make(count).map_err(|error| limits::explain(count, error))?;
    for member in crowd.members() {
        wait_until_asleep(member.pid())?;
    }
    Ok((crowd, gate))
}

/// Waits until a child has arrived at its gate.
pub(super) fn wait_until_asleep(child: Pid) -> anyhow::Result<()> {
    while !is_asleep(child)? {
        clock::pause(A_MOMENT);
    }
    Ok(())
}

/// Returns `true` if the process waits for something.
fn is_asleep(pid: Pid) -> anyhow::Result<bool> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let state = stat.rsplit_once(") ").map(|(_, fields)| fields.as_bytes());
    Ok(matches!(state, Some([b'S', ..])))
}

/// Measures while idle children are watched too.
///
/// The candidate watches up to `most` children, of which `idle` are gathered and watched
/// before `measure` runs.
pub(super) fn beside_idle(
    task: &mut Task<'_>,
    most: usize,
    idle: usize,
    measure: impl FnOnce(&mut dyn Watching, &mut Turns<'_>) -> anyhow::Result<Samples>,
) -> anyhow::Result<Samples> {
    let mut watching = task.candidate.watch_up_to(most)?;
    let (mut crowd, _gate) = gather(idle)?;
    watch_all(&mut *watching, &mut crowd, &Tally::of(idle))?;
    let samples = measure(&mut *watching, &mut task.turns)?;
    // The end of a crowd is work for the machine. It waits until all others have measured.
    task.turns.wait()?;
    // The watch ends before the crowd does, whose exits must not be reported.
    drop(watching);
    Ok(samples)
}

/// Watches a whole crowd.
pub(super) fn watch_all(
    watching: &mut dyn Watching,
    crowd: &mut Crowd,
    tally: &Tally,
) -> anyhow::Result<()> {
    for (index, member) in crowd.members().iter().enumerate() {
        watching.watch(member.pid(), tally.told(index))?;
    }
    Ok(())
}

/// Waits until each child of a crowd is a zombie.
pub(super) fn wait_until_dead(crowd: &mut Crowd) {
    for member in crowd.members() {
        member.wait_until_dead();
    }
}
