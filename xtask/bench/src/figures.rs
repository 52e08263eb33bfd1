//! What numbers are made of: figures and units, statistics over rounds, and digits.

pub(crate) mod figure;
pub(crate) mod interval;
pub(crate) mod numbers;
pub(crate) mod stats;
