//! [`Outcome`]: what a slice says to the run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::candidate::Refused;

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

/// Samples of series that have one value each.
pub(crate) fn single<const SERIES: usize>(values: [(&str, f64); SERIES]) -> Samples {
    values
        .into_iter()
        .map(|(series, value)| (series.to_owned(), vec![value]))
        .collect()
}
