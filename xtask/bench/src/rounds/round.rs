//! A round: a measurement of each candidate, alone or in a [`Circle`] with the others.

use std::collections::VecDeque;

use super::circle::Circle;
use super::{room, slice};
use crate::candidates::candidate::Candidate;
use crate::measuring::conditions::Conditions;
use crate::measuring::measurement::{Circles, Measurement};
use crate::measuring::outcome::Outcome;
use crate::measuring::refused::Refused;
use crate::rows::row::{Company, Row};

/// What is measured in a round.
#[derive(Clone, Copy)]
pub(crate) struct Subject {
    pub(crate) row: &'static Row,
    pub(crate) size: usize,
    pub(crate) conditions: Conditions,
}

pub(crate) type Measurements = Vec<(&'static dyn Candidate, Measurement)>;

/// The measurements of a round.
pub(crate) struct Round {
    pub(crate) measurements: Measurements,
    pub(crate) circles: Circles,
}

impl Subject {
    /// Measures candidates in a round.
    pub(crate) fn measure(
        self,
        candidates: &[&'static dyn Candidate],
        round: usize,
    ) -> anyhow::Result<Round> {
        // Each candidate is the first in its turn, because the first one finds the machine in
        // another state than the others.
        let mut candidates = candidates.to_vec();
        if !candidates.is_empty() {
            let first = round % candidates.len();
            candidates.rotate_left(first);
        }
        match self.row.company {
            Company::Alone => self.one_by_one(&candidates),
            Company::InTurns => self.in_circles(&candidates, round),
        }
    }

    fn one_by_one(self, candidates: &[&'static dyn Candidate]) -> anyhow::Result<Round> {
        let mut measurements = Measurements::new();
        for &candidate in candidates {
            let mut alone = Circle::new();
            self.join(&mut alone, candidate)?;
            let outcomes = alone.go_round(0)?.into_iter();
            measurements.extend(outcomes.map(|(candidate, outcome)| (candidate, outcome.into())));
        }
        Ok(Round {
            measurements,
            circles: Circles::default(),
        })
    }

    /// Measures in one circle if there is room for all candidates, and otherwise in several.
    /// Each circle has the floor in it if there is room for two slices.
    fn in_circles(
        self,
        candidates: &[&'static dyn Candidate],
        round: usize,
    ) -> anyhow::Result<Round> {
        let floor = candidates.iter().copied().find(|it| self.is_floor(*it));
        let others = candidates.iter().copied().filter(|it| !self.is_floor(*it));
        let mut left: VecDeque<_> = floor.into_iter().chain(others).collect();
        let mut measurements = Measurements::new();
        let mut circles = Circles::default();
        while let Some(first) = left.pop_front() {
            let mut circle = Circle::new();
            // A slice that is alone may try. The room is not checked.
            self.join(&mut circle, first)?;
            if !self.is_floor(first) && self.check_room().is_ok() {
                if let Some(floor) = floor {
                    self.join(&mut circle, floor)?;
                }
            }
            if let Some(reason) = self.join_while_there_is_room(&mut circle, &mut left)? {
                circles.reason = Some(reason.to_string());
            }
            if circle.waiting() > 0 {
                circles.sizes.push(circle.waiting());
            }
            add(&mut measurements, circle.go_round(round)?, self.row.floor);
        }
        Ok(Round {
            measurements,
            circles,
        })
    }

    /// Returns why there is no room for the candidates that are left, if any are.
    fn join_while_there_is_room(
        self,
        circle: &mut Circle<&'static dyn Candidate>,
        left: &mut VecDeque<&'static dyn Candidate>,
    ) -> anyhow::Result<Option<Refused>> {
        while let Some(&next) = left.front() {
            if let Err(reason) = self.check_room() {
                return Ok(Some(reason));
            }
            left.pop_front();
            self.join(circle, next)?;
        }
        Ok(None)
    }

    fn join(
        self,
        circle: &mut Circle<&'static dyn Candidate>,
        candidate: &'static dyn Candidate,
    ) -> anyhow::Result<()> {
        let slice = slice::command(self.row, candidate, self.size, self.conditions)?;
        circle.join(candidate, slice)
    }

    fn check_room(self) -> Result<(), Refused> {
        room::check_one_more(self.size)
    }

    fn is_floor(self, candidate: &dyn Candidate) -> bool {
        candidate.name() == self.row.floor
    }
}

/// Adds a circle's outcomes to those of a round. The floor's outcomes of several circles become
/// one.
fn add(
    measurements: &mut Measurements,
    outcomes: Vec<(&'static dyn Candidate, Outcome)>,
    floors_name: &str,
) {
    let is_floor = |candidate: &dyn Candidate| candidate.name() == floors_name;
    let of_the_floor = outcomes.iter().find(|(it, _)| is_floor(*it));
    let floor = of_the_floor.map(|(_, outcome)| outcome.clone());
    for (candidate, outcome) in outcomes {
        let mut known = measurements
            .iter_mut()
            .map(|(known, measurement)| (known.name(), measurement));
        match known.find(|(name, _)| *name == candidate.name()) {
            Some((_, measurement)) => measurement.outcome.add(outcome),
            None => {
                let floor = floor.clone().filter(|_| !is_floor(candidate));
                measurements.push((candidate, Measurement { outcome, floor }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidates::{self, FLOOR};
    use crate::measuring::outcome::single;

    fn measured(value: f64) -> Outcome {
        Outcome::Measured(single([("latency", value)]))
    }

    #[test]
    fn each_measurement_stands_beside_the_floor_of_its_own_circle() {
        let candidate = |name| candidates::named(name).unwrap();
        let mut measurements = Measurements::new();
        let (pidfd, tokio) = (candidate("pidfd"), candidate("tokio"));
        add(
            &mut measurements,
            vec![(FLOOR, measured(1.0)), (pidfd, measured(2.0))],
            FLOOR.name(),
        );
        add(
            &mut measurements,
            vec![(tokio, measured(4.0)), (FLOOR, measured(3.0))],
            FLOOR.name(),
        );
        let names: Vec<_> = measurements
            .iter()
            .map(|(candidate, _)| candidate.name())
            .collect();
        assert_eq!(names, ["floor", "pidfd", "tokio"]);
        let floors: Vec<_> = measurements
            .iter()
            .map(|(_, measurement)| measurement.floor.clone())
            .collect();
        let of = |value| Some(measured(value));
        assert_eq!(floors, [None, of(1.0), of(3.0)]);
        let mut both = measured(1.0);
        both.add(measured(3.0));
        assert_eq!(measurements[0].1.outcome, both);
    }

    #[test]
    fn who_was_alone_has_no_floor_beside_it() {
        let mut measurements = Measurements::new();
        let tokio = candidates::named("tokio").unwrap();
        add(
            &mut measurements,
            vec![(FLOOR, measured(1.0))],
            FLOOR.name(),
        );
        add(
            &mut measurements,
            vec![(tokio, measured(4.0))],
            FLOOR.name(),
        );
        assert_eq!(measurements[1].1.floor, None);
    }
}
