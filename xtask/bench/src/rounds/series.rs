//! [`Series`]: the rounds of one row with one number of children.

use super::round::{Round, Subject};
use crate::candidates::candidate::Candidate;
use crate::measuring::measurement::Circles;
use crate::results::point::Point;
use crate::results::report::InTurns;
use crate::rows::row::Company;

pub(crate) struct Series {
    subject: Subject,
    candidates: Vec<&'static dyn Candidate>,
    rounds: usize,
    /// The measurements of each candidate so far.
    pub(crate) points: Vec<Point>,
    /// The circles of the round with the most circles.
    most_circles: Circles,
}

impl Series {
    pub(crate) fn new(
        subject: Subject,
        candidates: &[&'static dyn Candidate],
        rounds: usize,
    ) -> Self {
        let point = |candidate: &&dyn Candidate| Point {
            row: subject.row,
            size: subject.size,
            candidate: candidate.name(),
            rounds: Vec::with_capacity(rounds),
        };
        Series {
            subject,
            candidates: candidates.to_vec(),
            rounds,
            points: candidates.iter().map(point).collect(),
            most_circles: Circles::default(),
        }
    }

    pub(crate) fn rounds(&self) -> usize {
        self.rounds
    }

    /// Describes a round for the line of progress.
    pub(crate) fn describe(&self, round: usize) -> String {
        let Subject { row, size, .. } = self.subject;
        let (name, of, number, rounds) = (row.name, row.size, round + 1, self.rounds);
        format!("{name}, {size} {of}: round {number}/{rounds}")
    }

    /// Measures each candidate that still takes part.
    pub(crate) fn measure_round(&mut self, round: usize) -> anyhow::Result<()> {
        let both = self.points.iter().zip(&self.candidates);
        let asked = both.filter(|(point, _)| point.is_open());
        let asked: Vec<_> = asked.map(|(_, candidate)| *candidate).collect();
        let Round {
            measurements,
            circles,
        } = self.subject.measure(&asked, round)?;
        for (candidate, measurement) in measurements {
            let mut points = self.points.iter_mut();
            if let Some(point) = points.find(|point| point.candidate == candidate.name()) {
                point.rounds.push(measurement);
            }
        }
        if circles.sizes.len() > self.most_circles.sizes.len() {
            self.most_circles = circles;
        }
        Ok(())
    }

    /// Returns the sizes of the circles, if the row is measured in circles.
    pub(crate) fn circles(&self) -> Option<InTurns> {
        let Subject { row, size, .. } = self.subject;
        (row.company == Company::InTurns).then(|| InTurns {
            row: row.name,
            size,
            circles: self.most_circles.clone(),
        })
    }
}
