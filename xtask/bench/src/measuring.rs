//! The instruments, the conditions and the outcome of a single measurement.

pub(crate) mod clock;
pub(crate) mod conditions;
pub(crate) mod heap;
pub(crate) mod limits;
pub(crate) mod machine;
pub(crate) mod measurement;
pub(crate) mod outcome;
pub(crate) mod refused;
pub(crate) mod tally;
pub(crate) mod turns;
