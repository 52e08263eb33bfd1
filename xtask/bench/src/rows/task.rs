//! [`Task`]: one measurement, as it is handed to a row.

use crate::candidates::candidate::Candidate;
use crate::measuring::conditions::Effort;
use crate::measuring::turns::Turns;

/// Which candidate to measure, and how.
pub(crate) struct Task<'a> {
    pub(crate) candidate: &'a dyn Candidate,
    /// How many children; the [row](super::row::Row::size) says which.
    pub(crate) size: usize,
    pub(crate) effort: Effort,
    pub(crate) turns: Turns<'a>,
}
