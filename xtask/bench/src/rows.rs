//! Every [`Row`].

use row::Row;

mod crowd;
pub(crate) mod dead;
pub(crate) mod idle;
pub(crate) mod latency;
mod lateness;
pub(crate) mod life;
pub(crate) mod live;
pub(crate) mod memory;
pub(crate) mod merged;
pub(crate) mod reaped;
pub(crate) mod row;
pub(crate) mod scale;
pub(crate) mod silent;
pub(crate) mod task;

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

/// Returns the row of this name.
pub(crate) fn named(name: &str) -> Option<&'static Row> {
    ALL.iter().copied().find(|row| row.name == name)
}
