//! [`Outcome`]: what a slice says to the run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::refused::Refused;

/// What was measured, by the name of the series.
pub(crate) type Samples = BTreeMap<String, Vec<f64>>;

/// How one slice ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Measured(Samples),
    /// The candidate does not take part, for this reason.
    Refused(String),
    /// It took part, and something went wrong.
    Failed(String),
}

impl From<anyhow::Result<Samples>> for Outcome {
    fn from(measured: anyhow::Result<Samples>) -> Self {
        match measured {
            Ok(samples) => Outcome::Measured(samples),
            Err(error) => match error.downcast_ref() {
                Some(Refused(reason)) => Outcome::Refused(reason.clone()),
                None => Outcome::Failed(format!("{error:#}")),
            },
        }
    }
}

impl Outcome {
    /// Takes in what a second slice has said of the same thing. A failure of either is not
    /// hidden; a second one that was refused takes nothing away.
    pub(crate) fn add(&mut self, other: Outcome) {
        match (&mut *self, other) {
            (Outcome::Measured(samples), Outcome::Measured(others)) => {
                for (series, values) in others {
                    samples.entry(series).or_default().extend(values);
                }
            }
            (Outcome::Failed(_), _) | (_, Outcome::Refused(_)) => {}
            (_, other) => *self = other,
        }
    }
}

/// Samples of series that have one value each.
pub(crate) fn single<const SERIES: usize>(values: [(&str, f64); SERIES]) -> Samples {
    values
        .into_iter()
        .map(|(series, value)| (series.to_owned(), vec![value]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_slices_the_samples_are_one_and_a_failure_is_not_hidden() {
        let measured = |value| Outcome::Measured(single([("latency", value)]));
        let mut both = measured(1.0);
        both.add(measured(2.0));
        let samples = Samples::from([("latency".to_owned(), vec![1.0, 2.0])]);
        assert_eq!(both, Outcome::Measured(samples.clone()));
        both.add(Outcome::Refused("no room".to_owned()));
        assert_eq!(both, Outcome::Measured(samples));
        both.add(Outcome::Failed("lost".to_owned()));
        both.add(measured(3.0));
        assert_eq!(both, Outcome::Failed("lost".to_owned()));
    }
}
