//! Every [`Row`].

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use childwatch_core::Pid;
use childwatch_ptrace_free_tests::crowd::Crowd;

use crate::candidate::Watching;
use crate::clock;
use crate::limits;
use crate::row::Row;
use crate::tally::Tally;

pub(crate) mod dead;
pub(crate) mod idle;
pub(crate) mod latency;
mod lateness;
pub(crate) mod life;
pub(crate) mod live;
pub(crate) mod memory;
pub(crate) mod merged;
pub(crate) mod reaped;
pub(crate) mod scale;
pub(crate) mod silent;

pub(crate) static ALL: &[&Row] = &[
    &latency::LATENCY,
    &merged::MERGED,
    &reaped::REAPED,
    &silent::SILENT,
    &live::LIVE,
    &dead::DEAD,
    &memory::MEMORY,
    &idle::IDLE,
    &life::LIFE,
    &scale::SCALE,
];

/// Before children exit: by then all is over that the exits before them have set off.
const BEFORE_EXITS: Duration = Duration::from_millis(8);

/// Between two looks at a child that has not arrived.
const A_MOMENT: Duration = Duration::from_millis(1);

/// The row of this name.
pub(crate) fn named(name: &str) -> Option<&'static Row> {
    ALL.iter().copied().find(|row| row.name == name)
}

/// How often a crowd is measured. A small one takes a fraction of a second, in which chance
/// weighs more: it is measured more often.
fn rounds_of_a_crowd(size: usize) -> usize {
    const SMALL: usize = 1_000;
    if size <= SMALL { 31 } else { 12 }
}

/// Children that have all arrived at their gate, so that their start takes no time from
/// what is measured; with the gate.
fn gather(count: usize) -> anyhow::Result<(Crowd, OwnedFd)> {
    gather_by(Crowd::gather, count)
}

/// The same of children whose exits send no signal.
fn gather_silent(count: usize) -> anyhow::Result<(Crowd, OwnedFd)> {
    gather_by(Crowd::gather_silent, count)
}

fn gather_by(
    make: fn(usize) -> io::Result<(Crowd, OwnedFd)>,
    count: usize,
) -> anyhow::Result<(Crowd, OwnedFd)> {
    limits::check_processes(count)?;
    let (mut crowd, gate) = make(count).map_err(|error| limits::explain(count, error))?;
    for member in crowd.members() {
        while !is_asleep(member.pid())? {
            clock::pause(A_MOMENT);
        }
    }
    Ok((crowd, gate))
}

/// Whether it waits for something.
fn is_asleep(pid: Pid) -> anyhow::Result<bool> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let state = stat.rsplit_once(") ").map(|(_, fields)| fields.as_bytes());
    Ok(matches!(state, Some([b'S', ..])))
}

/// Gathers idle children and watches them, before it is measured how others are told.
///
/// They must outlive the watching: their end is not to be told of.
fn watch_idle(watching: &mut dyn Watching, count: usize) -> anyhow::Result<(Crowd, OwnedFd)> {
    let (mut idle, gate) = gather(count)?;
    watch_all(watching, &mut idle, &Tally::of(count))?;
    Ok((idle, gate))
}

/// Watches a whole crowd.
fn watch_all(watching: &mut dyn Watching, crowd: &mut Crowd, tally: &Tally) -> anyhow::Result<()> {
    for (index, member) in crowd.members().iter().enumerate() {
        watching.watch(member.pid(), tally.told(index))?;
    }
    Ok(())
}

/// Waits until each child of a crowd is a zombie.
fn wait_until_dead(crowd: &mut Crowd) {
    for member in crowd.members() {
        member.wait_until_dead();
    }
}
