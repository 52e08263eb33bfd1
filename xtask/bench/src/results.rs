//! The results of a run: the values of each candidate, tables of them, and the targets.

pub(crate) mod point;
pub(crate) mod remarks;
pub(crate) mod report;
pub(crate) mod tables;
pub(crate) mod targets;
