//! [`Plan`]: the rows of a run, and the numbers of children for each.

use crate::measuring::conditions::Effort;
use crate::rows::row::Row;
use crate::rows::{
    awaited, dead, idle, latency, life, live, memory, merged, reaped, registering, scale, silent,
};

/// The most children that any row watches.
pub(crate) const MOST_CHILDREN: usize = 50_000;

/// The most processes that exist at once: those of all candidates in a circle.
pub(crate) const MOST_PROCESSES: usize = 176_000;

/// Rows in the order of the report.
pub(crate) type Plan = Vec<Part>;

/// A row, and the numbers of children to measure it with.
pub(crate) struct Part {
    pub(crate) row: &'static Row,
    full: &'static [usize],
    quick: &'static [usize],
}

impl Part {
    pub(crate) fn sizes(&self, effort: Effort) -> &'static [usize] {
        effort.choose(self.full, self.quick)
    }
}

/// Returns the rows that compare the candidates in what a user notices.
pub(crate) fn compare() -> Plan {
    vec![
        Part {
            row: &latency::LATENCY,
            full: &[0, 1_000, 4_000, 16_000],
            quick: &[0, 20, 50],
        },
        Part {
            row: &latency::LOOP,
            full: &[0, 1_000],
            quick: &[20],
        },
        one_at_a_time(&awaited::ON_TOKIO),
        one_at_a_time(&awaited::ON_TOKIO_THREADS),
        one_at_a_time(&awaited::ON_ASYNC_IO),
        lateness(&merged::MERGED, &[10, 20, 50]),
        // In a quick run, these wait for heartbeats.
        lateness(&reaped::REAPED, &[20]),
        lateness(&silent::SILENT, &[20]),
        Part {
            row: &live::LIVE,
            full: &[1_000, 10_000],
            quick: &[50],
        },
        Part {
            row: &registering::REGISTERING,
            full: &[1_000],
            quick: &[50],
        },
        Part {
            row: &dead::DEAD,
            full: &[1_000, 10_000],
            quick: &[50],
        },
        Part {
            row: &memory::MEMORY,
            full: &[1_000, 10_000],
            quick: &[50],
        },
        Part {
            row: &idle::IDLE,
            full: &[10_000],
            quick: &[50],
        },
        one_at_a_time(&life::LIFE),
    ]
}

/// Returns a row whose children live one after another.
fn one_at_a_time(row: &'static Row) -> Part {
    Part {
        row,
        full: &[1],
        quick: &[1],
    }
}

/// Returns a row of exits that no signal names.
fn lateness(row: &'static Row, quick: &'static [usize]) -> Part {
    Part {
        row,
        full: &[100, 4_000, 16_000],
        quick,
    }
}

/// Returns the rows over the number of children: from one child, through the limit of 20,000
/// file descriptors, to 50,000.
pub(crate) fn scale() -> Plan {
    let full = &[1, 10, 100, 1_000, 10_000, 19_000, MOST_CHILDREN];
    let quick = &[1, 10, 100];
    let rows: [&'static Row; 2] = [&scale::SCALE, &memory::MEMORY];
    rows.map(|row| Part { row, full, quick }).into()
}

/// Returns the rows of both plans. A row of both has the sizes of [`scale()`].
pub(crate) fn whole() -> Plan {
    let scale = scale();
    let is_in_both = |part: &Part| scale.iter().any(|other| other.row.name == part.row.name);
    let mut plan = compare();
    plan.retain(|part| !is_in_both(part));
    plan.extend(scale);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::row::Company;

    #[test]
    fn no_more_processes_are_there_at_once_than_it_says() {
        for part in compare().iter().chain(&scale()) {
            let slices = match part.row.company {
                Company::Alone => 1,
                Company::InTurns => part.row.candidates.len(),
            };
            let most = part.sizes(Effort::Full).iter().max().unwrap();
            assert!(slices * most <= MOST_PROCESSES);
        }
    }
}
