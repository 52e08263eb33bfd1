//! Figures and their units, statistics over rounds, and numbers as text.

pub(crate) mod figure;
pub(crate) mod interval;
pub(crate) mod numbers;
pub(crate) mod stats;
