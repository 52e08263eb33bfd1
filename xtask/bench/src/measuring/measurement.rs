//! [`Measurement`]: the outcome of a candidate in a round.

use serde::Serialize;

use super::outcome::Outcome;

/// The outcome of a candidate in a round.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measurement {
    pub(crate) outcome: Outcome,
    /// The outcome of the floor in the same circle, if the floor was there.
    pub(crate) floor: Option<Outcome>,
}

/// The sizes of the circles of a round.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Circles {
    /// How many slices took turns in each circle.
    #[serde(rename = "circles")]
    pub(crate) sizes: Vec<usize>,
    /// The reason if the slices did not take turns in one circle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

impl From<Outcome> for Measurement {
    fn from(outcome: Outcome) -> Self {
        let floor = None;
        Measurement { outcome, floor }
    }
}
