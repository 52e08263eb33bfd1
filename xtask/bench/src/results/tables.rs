//! [`Table`]: one figure of all candidates, by the number of children.

use super::point::{Failure, Point};
use super::report::Report;
use crate::candidates;
use crate::figures::figure::Figure;
use crate::figures::stats::{Ratio, Spread};
use crate::measuring::outcome::Outcome;
use crate::rows::row::Row;

/// One figure of all candidates, by the number of children.
pub(crate) struct Table {
    pub(crate) row: &'static Row,
    pub(crate) figure: &'static Figure,
    pub(crate) sizes: Vec<usize>,
    pub(crate) lines: Vec<Line>,
}

/// One candidate in a table, with a cell for each size.
pub(crate) struct Line {
    pub(crate) candidate: &'static str,
    pub(crate) cells: Vec<Cell>,
}

/// One figure of one candidate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Measured {
        /// The spread of the rounds, in the figure's unit.
        spread: Spread,
        /// The ratio to the floor.
        ratio: Option<Ratio>,
        rounds: usize,
        /// The failure of other rounds.
        failure: Option<Failure>,
    },
    Refused(String),
    /// Every round failed.
    Failed(Failure),
}

/// Returns a table for each figure of each row, in the order of the run.
pub(crate) fn tables(report: &Report) -> Vec<Table> {
    report
        .rows()
        .into_iter()
        .flat_map(|row| row.figures.iter().map(move |figure| (row, figure)))
        .map(|(row, figure)| table(report, row, figure))
        .collect()
}

fn table(report: &Report, row: &'static Row, figure: &'static Figure) -> Table {
    let floors = || report.points_of(row.name, row.floor);
    let sizes: Vec<_> = floors().map(|floor| floor.size).collect();
    let line = |candidate: &'static str| {
        let cells = report.points_of(row.name, candidate).zip(floors());
        Line {
            candidate,
            cells: cells
                .map(|(point, floor)| Cell::of(point, figure, floor))
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
    /// Returns `true` unless the candidate was refused with every size.
    pub(crate) fn takes_part(&self) -> bool {
        let refused = |cell: &Cell| matches!(cell, Cell::Refused(_));
        !self.cells.iter().all(refused)
    }
}

impl Cell {
    fn of(point: &Point, figure: &Figure, floor: &Point) -> Self {
        if let Some(Outcome::Refused(reason)) = point.refusal() {
            return Cell::Refused(reason.clone());
        }
        let values = point.values(figure);
        let measured: Vec<_> = values.iter().copied().flatten().collect();
        let failure = point.failure();
        let Some(spread) = Spread::of(&measured) else {
            return Cell::Failed(failure.unwrap_or_default());
        };
        Cell::Measured {
            spread,
            ratio: point.ratio_to(floor, figure),
            rounds: measured.len(),
            failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measuring::conditions::{Conditions, Effort};
    use crate::measuring::outcome::single;
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
