//! Every [`Row`].

use row::Row;

pub(crate) mod awaited;
mod crowd;
pub(crate) mod dead;
mod entrants;
pub(crate) mod idle;
pub(crate) mod latency;
mod lateness;
pub(crate) mod life;
pub(crate) mod live;
pub(crate) mod memory;
pub(crate) mod merged;
pub(crate) mod reaped;
pub(crate) mod registering;
pub(crate) mod row;
pub(crate) mod scale;
pub(crate) mod silent;
pub(crate) mod task;

pub(crate) static ALL: &[&Row] = &[
    &latency::LATENCY,
    &latency::LOOP,
    &awaited::ON_TOKIO,
    &awaited::ON_TOKIO_THREADS,
    &awaited::ON_ASYNC_IO,
    &merged::MERGED,
    &reaped::REAPED,
    &silent::SILENT,
    &live::LIVE,
    &registering::REGISTERING,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidates;

    #[test]
    fn the_candidates_of_each_row_exist_and_its_floor_is_one_of_them() {
        for row in ALL {
            let candidates = row.candidates;
            assert!(candidates.contains(&row.floor), "{}", row.name);
            for name in candidates {
                assert!(candidates::named(name).is_some(), "{name} in {}", row.name);
            }
        }
    }
}
