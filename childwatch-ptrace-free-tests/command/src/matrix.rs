//! [`Matrix`]: findings, counted by clause and backend, or by host and backend.

use childwatch_ptrace_free_tests::{Clause, HOSTS};
use comfy_table::{ContentArrangement, Table};

use crate::report::{CellReport, Report};
use crate::tally::Tally;

/// The head of the matrix of hosts.
const HOST: &str = "host";

/// A row for each clause or host, and a column for each backend.
pub(crate) struct Matrix {
    /// What the rows are.
    pub(crate) head: &'static str,
    pub(crate) backends: Vec<&'static str>,
    pub(crate) rows: Vec<Row>,
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// For each backend: the tally of its cells, and `true` if a host notices the backend.
    pub(crate) fields: Vec<(Tally, bool)>,
}

impl Matrix {
    /// Counts the findings of the cases by clause.
    pub(crate) fn of_clauses(report: &Report) -> Self {
        let is_of = |clause| {
            move |cell: &CellReport| cell.case.host().is_none() && cell.case.clause == clause
        };
        let mut matrix = Matrix::with_head("clause", report);
        for clause in Clause::ALL {
            let name = format!("{clause} {}", clause.title());
            matrix.add(report, name, is_of(*clause));
        }
        matrix
    }

    /// Counts the findings in the hosts.
    pub(crate) fn of_hosts(report: &Report) -> Self {
        let is_of = |name| move |cell: &CellReport| cell.case.name == name;
        let mut matrix = Matrix::with_head(HOST, report);
        for host in HOSTS {
            matrix.add(report, host.name.to_owned(), is_of(host.name));
        }
        matrix
    }

    /// Returns `true` if no such cell was run.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn with_head(head: &'static str, report: &Report) -> Self {
        Matrix {
            head,
            backends: report.backends(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, if the report has cells for it.
    fn add(&mut self, report: &Report, name: String, is_of: impl Fn(&CellReport) -> bool) {
        let cells: Vec<_> = report.cells.iter().filter(|cell| is_of(cell)).collect();
        if cells.is_empty() {
            return;
        }
        let field = |&backend: &&'static str| {
            let cells = || cells.iter().filter(|cell| cell.backend == backend);
            let tally: Tally = cells().map(|cell| cell.finding()).collect();
            let is_noticed = tally.passed > 0 && cells().any(|cell| !cell.exceptions.is_empty());
            (tally, is_noticed)
        };
        let fields = self.backends.iter().map(field).collect();
        self.rows.push(Row { name, fields });
    }

    /// Returns the matrix as a table in one of comfy-table's presets.
    pub(crate) fn table(&self, preset: &str) -> Table {
        let mut table = Table::new();
        table
            .load_preset(preset)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(std::iter::once(self.head).chain(self.backends.iter().copied()));
        for row in &self.rows {
            let fields = (0..row.fields.len()).map(|index| self.field(row, index));
            table.add_row(std::iter::once(row.name.clone()).chain(fields));
        }
        table
    }

    /// Returns the text of one field: its counts, and a mark if a host notices the backend.
    pub(crate) fn field(&self, row: &Row, index: usize) -> String {
        let (tally, is_noticed) = &row.fields[index];
        let noticed = if *is_noticed { " *" } else { "" };
        // A host has one cell for each backend.
        let count = if self.head == HOST {
            tally.mark()
        } else {
            tally.to_string()
        };
        format!("{count}{noticed}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Finding;
    use crate::report::samples;

    #[test]
    fn the_matrix_counts_by_clause_and_backend() {
        let matrix = Matrix::of_clauses(&samples::mixed());
        assert_eq!(matrix.backends, ["pidfd", "simulated"]);

        let [once, waitable] = &matrix.rows[..] else {
            panic!("{:?}", matrix.rows);
        };
        assert_eq!((&*once.name, &*waitable.name), ("C3 once", "C7 no reaping"));
        assert_eq!(once.fields[0].0.to_string(), "✓ 1");
        assert_eq!(waitable.fields[0].0.to_string(), "✗ 1  ✗ 1 timed out");
        assert_eq!(waitable.fields[1].0.to_string(), "– 2");
        assert!(Matrix::of_hosts(&samples::mixed()).is_empty());
    }

    #[test]
    fn hosts_have_a_matrix_of_their_own_with_a_mark_where_they_notice_a_backend() {
        let host = childwatch_ptrace_free_tests::Host::named("signalfd-reader").unwrap();
        let plain = samples::cell("pidfd", host.case(), [Finding::Passed]);
        let report = samples::report(vec![plain, samples::noticed_cell("sigchld", host)]);
        assert!(Matrix::of_clauses(&report).is_empty());
        let table = Matrix::of_hosts(&report).table(comfy_table::presets::ASCII_MARKDOWN);
        let table = table.to_string();
        assert!(
            table.contains("| signalfd-reader | ✓     | ✓ *     |"),
            "{table}"
        );
    }
}
