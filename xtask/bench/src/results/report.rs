//! [`Report`]: what a run came to.

use serde::Serialize;

use super::point::Point;
use crate::figures::figure::Figure;
use crate::figures::stats::Ratio;
use crate::measuring::conditions::Conditions;
use crate::measuring::measurement::Circles;
use crate::rows::row::Row;

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
