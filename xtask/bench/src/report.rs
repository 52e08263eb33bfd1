//! [`Report`]: what a run came to, as tables.

use serde::Serialize;

use crate::candidates;
use crate::options::Conditions;
use crate::outcome::Outcome;
use crate::round::{Circles, Measurement};
use crate::row::{Figure, Row};
use crate::stats::{self, Ratio, Spread};

pub(crate) struct Report {
    /// The machine.
    pub(crate) place: String,
    /// What was typed.
    pub(crate) command: String,
    pub(crate) conditions: Conditions,
    pub(crate) points: Vec<Point>,
    pub(crate) circles: Vec<InTurns>,
}

/// In how large circles a row was measured, with one number of children.
#[derive(Serialize)]
pub(crate) struct InTurns {
    pub(crate) row: &'static str,
    pub(crate) size: usize,
    #[serde(flatten)]
    pub(crate) circles: Circles,
}

/// A row of one candidate with one number of children.
pub(crate) struct Point {
    pub(crate) row: &'static Row,
    pub(crate) size: usize,
    pub(crate) candidate: &'static str,
    pub(crate) rounds: Vec<Measurement>,
}

/// One figure of all candidates, by the number of children.
pub(crate) struct Table {
    pub(crate) row: &'static Row,
    pub(crate) figure: &'static Figure,
    pub(crate) sizes: Vec<usize>,
    pub(crate) lines: Vec<Line>,
}

/// One candidate in a table, with a cell a size.
pub(crate) struct Line {
    pub(crate) candidate: &'static str,
    pub(crate) cells: Vec<Cell>,
}

/// One figure of one candidate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Measured {
        /// Of the rounds, in the figure's unit.
        spread: Spread,
        /// To the floor.
        ratio: Option<Ratio>,
        rounds: usize,
        /// What went wrong in other rounds.
        failure: Option<Failure>,
    },
    Refused(String),
    /// In every round.
    Failed(Failure),
}

/// Rounds in which something went wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Failure {
    pub(crate) rounds: usize,
    pub(crate) of_rounds: usize,
    /// The first one's.
    pub(crate) reason: String,
}

/// A candidate that has failed so often need not be asked again: each time may cost the
/// patience of a [`Tally`](crate::tally::Tally).
const ENOUGH_FAILURES: usize = 3;

impl Point {
    /// Whether the candidate is asked in the next round too.
    pub(crate) fn is_open(&self) -> bool {
        let is_failed = |outcome: &&Outcome| matches!(outcome, Outcome::Failed(_));
        self.refusal().is_none() && self.outcomes().filter(is_failed).count() < ENOUGH_FAILURES
    }

    fn outcomes(&self) -> impl Iterator<Item = &Outcome> + Clone {
        self.rounds.iter().map(|measurement| &measurement.outcome)
    }

    /// Who does not take part says so in the first round.
    pub(crate) fn refusal(&self) -> Option<&Outcome> {
        let is_refused = |outcome: &&Outcome| matches!(outcome, Outcome::Refused(_));
        self.outcomes().next().filter(is_refused)
    }

    /// The figure's value in each round, in its unit; `None` where it was not measured.
    fn values(&self, figure: &Figure) -> Vec<Option<f64>> {
        self.outcomes()
            .map(|outcome| value(outcome, figure))
            .collect()
    }

    /// The floor's values to stand beside these: of the same circle, or of the same round.
    fn floors_values(&self, floor: &Point, figure: &Figure) -> Vec<Option<f64>> {
        let rounds = self.rounds.iter().zip(&floor.rounds);
        let floors = rounds.map(|(own, floor)| own.floor.as_ref().unwrap_or(&floor.outcome));
        floors.map(|outcome| value(outcome, figure)).collect()
    }

    fn cell(&self, figure: &Figure, floor: &Point) -> Cell {
        if let Some(Outcome::Refused(reason)) = self.refusal() {
            return Cell::Refused(reason.clone());
        }
        let values = self.values(figure);
        let measured: Vec<_> = values.iter().copied().flatten().collect();
        let failure = self.failure();
        let Some(spread) = Spread::of(&measured) else {
            return Cell::Failed(failure.unwrap_or_default());
        };
        Cell::Measured {
            spread,
            ratio: self.ratio_to(floor, figure),
            rounds: measured.len(),
            failure,
        }
    }

    /// The row's figure of this name.
    pub(crate) fn figure(&self, name: &str) -> Option<&'static Figure> {
        self.row.figures.iter().find(|figure| figure.name == name)
    }

    /// The rounds' median, in the figure's unit.
    pub(crate) fn median(&self, figure: &Figure) -> Option<f64> {
        let values: Vec<_> = self.values(figure).into_iter().flatten().collect();
        stats::quantile(&values, 0.5)
    }

    /// The figure as so many times another candidate's.
    pub(crate) fn ratio_to(&self, other: &Point, figure: &Figure) -> Option<Ratio> {
        if !figure.unit.is_comparable() {
            return None;
        }
        let others = if other.candidate == candidates::FLOOR.name() {
            self.floors_values(other, figure)
        } else {
            other.values(figure)
        };
        let pairs = self.values(figure).into_iter().zip(others);
        Ratio::of(pairs.filter_map(|(value, other)| value.zip(other)))
    }

    /// What went wrong, if anything did.
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

/// A figure's value in an outcome, in its unit.
fn value(outcome: &Outcome, figure: &Figure) -> Option<f64> {
    match outcome {
        Outcome::Measured(samples) => {
            let value = stats::quantile(samples.get(figure.series)?, figure.quantile)?;
            Some(figure.unit.scale(value))
        }
        Outcome::Refused(_) | Outcome::Failed(_) => None,
    }
}

impl Report {
    /// The rows of the run, in its order.
    pub(crate) fn rows(&self) -> Vec<&'static Row> {
        let mut rows: Vec<&'static Row> = Vec::new();
        for point in &self.points {
            if rows.iter().all(|row| row.name != point.row.name) {
                rows.push(point.row);
            }
        }
        rows
    }

    /// What one candidate came to in a row, by the number of children.
    pub(crate) fn points_of<'a>(
        &'a self,
        row: &'a str,
        candidate: &'a str,
    ) -> impl Iterator<Item = &'a Point> {
        let is_asked = move |point: &&Point| (point.row.name, point.candidate) == (row, candidate);
        self.points.iter().filter(is_asked)
    }

    /// A point's figure as a ratio to another candidate's, if both were measured.
    pub(crate) fn beside(&self, point: &Point, other: &str, figure: &Figure) -> Option<Ratio> {
        let mut others = self.points_of(point.row.name, other);
        let other = others.find(|other| other.size == point.size)?;
        point.ratio_to(other, figure)
    }
}

/// A table for each figure of each row, in the order of the run.
pub(crate) fn tables(report: &Report) -> Vec<Table> {
    report
        .rows()
        .into_iter()
        .flat_map(|row| row.figures.iter().map(move |figure| (row, figure)))
        .map(|(row, figure)| table(report, row, figure))
        .collect()
}

fn table(report: &Report, row: &'static Row, figure: &'static Figure) -> Table {
    let floors = || report.points_of(row.name, candidates::FLOOR.name());
    let sizes: Vec<_> = floors().map(|floor| floor.size).collect();
    let line = |candidate: &'static str| {
        let cells = report.points_of(row.name, candidate).zip(floors());
        Line {
            candidate,
            cells: cells
                .map(|(point, floor)| point.cell(figure, floor))
                .collect(),
        }
    };
    let names = candidates::ALL.iter().map(|candidate| candidate.name());
    let lines = names
        .map(line)
        .filter(|line| !line.cells.is_empty())
        .collect();
    Table {
        row,
        figure,
        sizes,
        lines,
    }
}

impl Line {
    /// Whether it takes part at all.
    pub(crate) fn takes_part(&self) -> bool {
        let refused = |cell: &Cell| matches!(cell, Cell::Refused(_));
        !self.cells.iter().all(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Effort;
    use crate::outcome::single;
    use crate::rows::live::LIVE;

    fn measured(value: f64) -> Outcome {
        Outcome::Measured(single([("exits-cpu", value)]))
    }

    fn point(candidate: &'static str, seconds: &[f64]) -> Point {
        let round = |&value| measured(value).into();
        Point {
            row: &LIVE,
            size: 10,
            candidate,
            rounds: seconds.iter().map(round).collect(),
        }
    }

    fn cell_of(mut points: Vec<Point>, candidate: &str) -> Cell {
        points.insert(0, point("floor", &[1e-6, 2e-6, 1e-6]));
        let report = Report {
            place: String::new(),
            command: String::new(),
            conditions: Conditions {
                effort: Effort::Quick,
                pin: false,
            },
            points,
            circles: Vec::new(),
        };
        let tables = tables(&report);
        let table = tables.iter().find(|it| it.figure.name == "exits-cpu");
        let lines = &table.unwrap().lines;
        let line = lines.iter().find(|line| line.candidate == candidate);
        line.unwrap().cells[0].clone()
    }

    #[test]
    fn a_cell_is_the_rounds_median_beside_the_floors() {
        let Cell::Measured {
            spread,
            ratio,
            rounds,
            failure: None,
        } = cell_of(vec![point("pidfd", &[2e-6, 4e-6, 3e-6])], "pidfd")
        else {
            panic!("not measured");
        };
        assert!((spread.p50 - 3.0).abs() < 1e-9);
        assert!((ratio.unwrap().median - 2.0).abs() < 1e-9);
        assert_eq!(rounds, 3);
    }

    #[test]
    fn a_failed_round_is_not_hidden_by_the_others() {
        let mut failing = point("pidfd", &[2e-6, 4e-6]);
        failing
            .rounds
            .push(Outcome::Failed("1 lost".to_owned()).into());
        let Cell::Measured {
            rounds: 2,
            failure: Some(failure),
            ..
        } = cell_of(vec![failing], "pidfd")
        else {
            panic!("hidden");
        };
        assert_eq!((failure.rounds, failure.of_rounds), (1, 3));
        assert_eq!(failure.reason, "1 lost");
    }

    #[test]
    fn who_refuses_or_fails_thrice_is_not_asked_again() {
        let mut failing = point("pidfd", &[1e-6]);
        for _ in 0..3 {
            assert!(failing.is_open());
            failing
                .rounds
                .push(Outcome::Failed("lost".to_owned()).into());
        }
        assert!(!failing.is_open());
        let mut refusing = point("thread", &[]);
        refusing
            .rounds
            .push(Outcome::Refused("no".to_owned()).into());
        assert!(!refusing.is_open());
    }

    #[test]
    fn a_ratio_to_the_floor_is_to_that_of_the_same_circle() {
        let mut pidfd = point("pidfd", &[6e-6]);
        pidfd.rounds[0].floor = Some(measured(2e-6));
        let Cell::Measured { ratio, .. } = cell_of(vec![pidfd], "pidfd") else {
            panic!("not measured");
        };
        assert!((ratio.unwrap().median - 3.0).abs() < 1e-9);
    }
}
