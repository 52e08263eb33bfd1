//! [`Row`]: a thing to measure of each candidate.

use super::task::Task;
use crate::figures::figure::Figure;
use crate::measuring::conditions::Effort;
use crate::measuring::outcome::Samples;

/// A thing to measure of each candidate, with different numbers of children.
pub(crate) struct Row {
    /// A word for the command line.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// The name of what [`Task::size`] counts.
    pub(crate) size: &'static str,
    /// The numbers that the report shows.
    pub(crate) figures: &'static [Figure],
    /// The names of the candidates.
    pub(crate) candidates: &'static [&'static str],
    /// The candidate with which the others are compared. It is one of them.
    pub(crate) floor: &'static str,
    /// The number of rounds for a size, with full effort.
    pub(crate) rounds: fn(usize) -> usize,
    pub(crate) company: Company,
    pub(crate) measure: Measure,
}

/// Measures one candidate once, in a process that does nothing else.
pub(crate) type Measure = fn(&mut Task<'_>) -> anyhow::Result<Samples>;

impl Row {
    /// Returns how often each candidate is measured with this size.
    pub(crate) fn rounds(&self, size: usize, effort: Effort) -> usize {
        effort.choose((self.rounds)(size), 1)
    }
}

/// How the slices of a row share the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Company {
    /// Each slice runs alone.
    Alone,
    /// All slices of a round exist at once, and each waits for its
    /// [turns](mod@crate::measuring::turns).
    InTurns,
}
