//! [`Measurement`]: what a round says of a candidate.

use serde::Serialize;

use super::outcome::Outcome;

/// What a round says of a candidate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measurement {
    pub(crate) outcome: Outcome,
    /// What the floor came to in the same circle, if it was there.
    pub(crate) floor: Option<Outcome>,
}

/// In how large circles a round was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Circles {
    /// How many took turns in each.
    #[serde(rename = "circles")]
    pub(crate) sizes: Vec<usize>,
    /// Why not all in one, if they did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

impl From<Outcome> for Measurement {
    fn from(outcome: Outcome) -> Self {
        let floor = None;
        Measurement { outcome, floor }
    }
}
