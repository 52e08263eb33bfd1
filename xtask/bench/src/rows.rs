//! Every [`Row`].

use std::fs;
use std::os::fd::OwnedFd;
use std::time::Duration;

use childwatch_core::Pid;
use childwatch_ptrace_free_tests::crowd::Crowd;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::candidate::Watching;
use crate::clock;
use crate::limits;
use crate::row::Row;
use crate::tally::Tally;

pub(crate) mod dead;
pub(crate) mod idle;
pub(crate) mod latency;
pub(crate) mod life;
pub(crate) mod live;
pub(crate) mod memory;
pub(crate) mod scale;

pub(crate) static ALL: &[&Row] = &[
    &latency::LATENCY,
    &live::LIVE,
    &dead::DEAD,
    &memory::MEMORY,
    &idle::IDLE,
    &life::LIFE,
    &scale::SCALE,
];

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
    limits::check_processes(count)?;
    let (mut crowd, gate) = Crowd::gather(count).map_err(|error| limits::explain(count, error))?;
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

/// Watches a whole crowd.
fn watch_all(watching: &mut dyn Watching, crowd: &mut Crowd, tally: &Tally) -> anyhow::Result<()> {
    for (index, member) in crowd.members().iter().enumerate() {
        watching.watch(member.pid(), tally.told(index))?;
    }
    Ok(())
}

/// Waits until each child of a crowd is a zombie.
fn wait_until_dead(crowd: &mut Crowd) -> anyhow::Result<()> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    for member in crowd.members() {
        let number = rustix::process::Pid::from_raw(member.pid().as_raw());
        let number = number.ok_or_else(|| anyhow::anyhow!("a pid of zero"))?;
        rustix::io::retry_on_intr(|| waitid(WaitId::Pid(number), options))?;
    }
    Ok(())
}
