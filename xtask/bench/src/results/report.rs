//! [`Report`]: the results of a run.

use serde::Serialize;

use super::point::Point;
use crate::figures::figure::Figure;
use crate::figures::stats::Ratio;
use crate::measuring::conditions::Conditions;
use crate::measuring::measurement::Circles;
use crate::rows::row::Row;

pub(crate) struct Report {
    /// A description of the machine.
    pub(crate) place: String,
    /// The command line of the run.
    pub(crate) command: String,
    pub(crate) conditions: Conditions,
    pub(crate) points: Vec<Point>,
    pub(crate) circles: Vec<InTurns>,
}

/// The sizes of the circles in which a row was measured with one number of children.
#[derive(Serialize)]
pub(crate) struct InTurns {
    pub(crate) row: &'static str,
    pub(crate) size: usize,
    #[serde(flatten)]
    pub(crate) circles: Circles,
}

impl Report {
    /// Returns the rows in the order of the run.
    pub(crate) fn rows(&self) -> Vec<&'static Row> {
        let mut rows: Vec<&'static Row> = Vec::new();
        for point in &self.points {
            if rows.iter().all(|row| row.name != point.row.name) {
                rows.push(point.row);
            }
        }
        rows
    }

    /// Returns the points of one candidate in a row, by the number of children.
    pub(crate) fn points_of<'a>(
        &'a self,
        row: &'a str,
        candidate: &'a str,
    ) -> impl Iterator<Item = &'a Point> {
        let is_asked = move |point: &&Point| (point.row.name, point.candidate) == (row, candidate);
        self.points.iter().filter(is_asked)
    }

    /// Returns the ratio of a point's figure to that of another candidate, if both were
    /// measured.
    pub(crate) fn beside(&self, point: &Point, other: &str, figure: &Figure) -> Option<Ratio> {
        let mut others = self.points_of(point.row.name, other);
        let other = others.find(|other| other.size == point.size)?;
        point.ratio_to(other, figure)
    }
}
