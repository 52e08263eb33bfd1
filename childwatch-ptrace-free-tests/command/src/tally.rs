//! [`Tally`]: findings, counted.

use std::fmt;

use crate::finding::Finding;

/// The number of cells for each kind of finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) timed_out: usize,
    pub(crate) unsupported: usize,
}

impl Tally {
    /// Returns the number of cells that count against their backend.
    pub(crate) const fn failures(&self) -> usize {
        self.failed + self.timed_out
    }

    /// Returns the mark of a single cell.
    pub(crate) fn mark(&self) -> String {
        self.to_string().replace(" 1", "")
    }

    /// Returns the last line of a run.
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

/// Shows the counts that are not zero, such as `✓ 4  ✗ 1  – 2`.
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

#[cfg(test)]
mod tests {
    use crate::report::samples;

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
