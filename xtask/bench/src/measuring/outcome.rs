//! [`Outcome`]: the message of a slice to the run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::refused::Refused;

/// The measured values, by the name of the series.
pub(crate) type Samples = BTreeMap<String, Vec<f64>>;

/// How one slice ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Measured(Samples),
    /// The candidate does not take part. The text is the reason.
    Refused(String),
    /// The candidate took part, and something went wrong.
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
    /// Adds the outcome of a second slice of the same candidate. A failure of either slice
    /// remains. If the second slice was refused, nothing changes.
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

/// Makes samples of series with one value each.
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
