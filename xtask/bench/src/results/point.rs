//! [`Point`]: the rounds of one candidate in one row, with one number of children.

use crate::figures::figure::Figure;
use crate::figures::stats::{self, Ratio};
use crate::measuring::measurement::Measurement;
use crate::measuring::outcome::Outcome;
use crate::rows::row::Row;

/// The rounds of one candidate in one row, with one number of children.
pub(crate) struct Point {
    pub(crate) row: &'static Row,
    pub(crate) size: usize,
    pub(crate) candidate: &'static str,
    pub(crate) rounds: Vec<Measurement>,
}

/// Rounds in which something went wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Failure {
    pub(crate) rounds: usize,
    pub(crate) of_rounds: usize,
    /// The reason of the first such round.
    pub(crate) reason: String,
}

/// After this many failed rounds a candidate is not measured again. Each such round may take
/// as long as the patience of a [`Tally`](crate::measuring::tally::Tally).
const ENOUGH_FAILURES: usize = 3;

impl Point {
    /// Returns `true` if the candidate is measured in the next round too.
    pub(crate) fn is_open(&self) -> bool {
        let is_failed = |outcome: &&Outcome| matches!(outcome, Outcome::Failed(_));
        self.refusal().is_none() && self.outcomes().filter(is_failed).count() < ENOUGH_FAILURES
    }

    fn outcomes(&self) -> impl Iterator<Item = &Outcome> + Clone {
        self.rounds.iter().map(|measurement| &measurement.outcome)
    }

    /// Returns the refusal of a candidate that does not take part. It refuses in the first
    /// round.
    pub(crate) fn refusal(&self) -> Option<&Outcome> {
        let is_refused = |outcome: &&Outcome| matches!(outcome, Outcome::Refused(_));
        self.outcomes().next().filter(is_refused)
    }

    /// Returns the figure's value in each round, in its unit, or `None` where it was not
    /// measured.
    pub(super) fn values(&self, figure: &Figure) -> Vec<Option<f64>> {
        self.outcomes()
            .map(|outcome| value(outcome, figure))
            .collect()
    }

    /// Returns the floor's values of the same circles, or else of the same rounds.
    fn floors_values(&self, floor: &Point, figure: &Figure) -> Vec<Option<f64>> {
        let rounds = self.rounds.iter().zip(&floor.rounds);
        let floors = rounds.map(|(own, floor)| own.floor.as_ref().unwrap_or(&floor.outcome));
        floors.map(|outcome| value(outcome, figure)).collect()
    }

    /// Returns the row's figure of this name.
    pub(crate) fn figure(&self, name: &str) -> Option<&'static Figure> {
        self.row.figures.iter().find(|figure| figure.name == name)
    }

    /// Returns the median of the rounds, in the figure's unit.
    pub(crate) fn median(&self, figure: &Figure) -> Option<f64> {
        let values: Vec<_> = self.values(figure).into_iter().flatten().collect();
        stats::quantile(&values, 0.5)
    }

    /// Returns the ratio of the figure to another candidate's.
    pub(crate) fn ratio_to(&self, other: &Point, figure: &Figure) -> Option<Ratio> {
        if !figure.unit.is_comparable() {
            return None;
        }
        let others = if other.candidate == self.row.floor {
            self.floors_values(other, figure)
        } else {
            other.values(figure)
        };
        let pairs = self.values(figure).into_iter().zip(others);
        Ratio::of(pairs.filter_map(|(value, other)| value.zip(other)))
    }

    /// Returns what went wrong, if any round failed.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let reasons = self.outcomes().filter_map(|outcome| match outcome {
            Outcome::Failed(reason) => Some(reason),
            Outcome::Measured(_) | Outcome::Refused(_) => None,
        });
        let first = reasons.clone().next()?;
        Some(Failure {
            rounds: reasons.count(),
            of_rounds: self.rounds.len(),
            reason: first.clone(),
        })
    }
}

/// Returns a figure's value in an outcome, in its unit.
fn value(outcome: &Outcome, figure: &Figure) -> Option<f64> {
    match outcome {
        Outcome::Measured(samples) => {
            let value = stats::quantile(samples.get(figure.series)?, figure.quantile)?;
            Some(figure.unit.scale(value))
        }
        Outcome::Refused(_) | Outcome::Failed(_) => None,
    }
}
