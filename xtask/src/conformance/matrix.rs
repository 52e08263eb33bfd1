//! [`Matrix`]: the findings, counted by clause and backend.

use std::fmt;

use childwatch_ptrace_free_tests::Clause;
use comfy_table::{ContentArrangement, Table};

use super::finding::Finding;
use super::report::{CellReport, Report};

/// A row a clause, a column a backend.
pub(crate) struct Matrix {
    backends: Vec<&'static str>,
    rows: Vec<(Clause, Vec<Tally>)>,
}

/// How many cells came out which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) timed_out: usize,
    pub(crate) unsupported: usize,
}

impl Matrix {
    pub(crate) fn of(report: &Report) -> Self {
        let backends = report.backends();
        let rows = clauses(report)
            .into_iter()
            .map(|clause| {
                let tally = |&backend| tally(report, clause, backend);
                (clause, backends.iter().map(tally).collect())
            })
            .collect();
        Matrix { backends, rows }
    }

    /// As a table in one of comfy-table's presets.
    pub(crate) fn table(&self, preset: &str) -> Table {
        let mut table = Table::new();
        table
            .load_preset(preset)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(std::iter::once("clause").chain(self.backends.iter().copied()));
        for (clause, tallies) in &self.rows {
            let clause = format!("{clause} {}", clause.title());
            table.add_row(std::iter::once(clause).chain(tallies.iter().map(Tally::to_string)));
        }
        table
    }
}

impl Tally {
    /// The cells that speak against their backend.
    pub(crate) const fn failures(&self) -> usize {
        self.failed + self.timed_out
    }

    /// The sum of it all, as the last line of a run.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} passed, {} failed, {} skipped",
            self.passed,
            self.failures(),
            self.unsupported
        )
    }

    fn count(&mut self, finding: &Finding) {
        let counter = match finding {
            Finding::Passed => &mut self.passed,
            Finding::Failed(_) => &mut self.failed,
            Finding::TimedOut(_) => &mut self.timed_out,
            Finding::Unsupported(_) => &mut self.unsupported,
        };
        *counter += 1;
    }
}

impl FromIterator<Finding> for Tally {
    fn from_iter<I: IntoIterator<Item = Finding>>(findings: I) -> Self {
        let mut tally = Tally::default();
        for finding in findings {
            tally.count(&finding);
        }
        tally
    }
}

/// The counts that aren't zero, such as `✓ 4  ✗ 1  – 2`.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("✓", self.passed, ""),
            ("✗", self.failed, ""),
            ("✗", self.timed_out, " timed out"),
            ("–", self.unsupported, ""),
        ];
        let shown: Vec<_> = parts
            .into_iter()
            .filter(|&(_, count, _)| count > 0)
            .map(|(mark, count, manner)| format!("{mark} {count}{manner}"))
            .collect();
        f.write_str(&shown.join("  "))
    }
}

/// The clauses that the report has cases of, in their own order.
fn clauses(report: &Report) -> Vec<Clause> {
    let mut clauses: Vec<_> = report.cells.iter().map(|cell| cell.case.clause).collect();
    clauses.sort_unstable();
    clauses.dedup();
    clauses
}

fn tally(report: &Report, clause: Clause, backend: &str) -> Tally {
    report
        .cells
        .iter()
        .filter(|cell| cell.case.clause == clause && cell.backend == backend)
        .map(CellReport::finding)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::report::samples;

    #[test]
    fn the_matrix_counts_by_clause_and_backend() {
        let matrix = Matrix::of(&samples::mixed());
        assert_eq!(matrix.backends, ["pidfd", "simulated"]);

        let [(c3, once), (c7, waitable)] = &matrix.rows[..] else {
            panic!("{:?}", matrix.rows);
        };
        assert_eq!((*c3, *c7), (Clause::C3, Clause::C7));
        assert_eq!(once[0].to_string(), "✓ 1");
        assert_eq!(waitable[0].to_string(), "✗ 1  ✗ 1 timed out");
        assert_eq!(waitable[1].to_string(), "– 2");
    }

    #[test]
    fn a_repeated_cell_counts_once() {
        let totals = samples::repeated().totals();
        assert_eq!((totals.passed, totals.failed), (0, 1));
    }

    #[test]
    fn the_summary_counts_timeouts_as_failed() {
        assert_eq!(
            samples::mixed().totals().summary(),
            "2 passed, 2 failed, 2 skipped"
        );
    }
}
