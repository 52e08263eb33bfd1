//! The trait that users depend on, its contract, and the values in its signatures.
//!
//! This layer imports from no other layer.

pub(crate) mod callback;
pub(crate) mod canceller;
pub(crate) mod delegate;
pub(crate) mod error;
pub(crate) mod exit;
pub(crate) mod pid;
pub(crate) mod resource_usage;
pub(crate) mod stats;
pub(crate) mod watcher;
