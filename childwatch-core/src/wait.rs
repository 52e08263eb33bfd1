//! Ways to wait for an exit, over any `PidWatcher`: closures, guards, futures, timeouts, sets of
//! processes, and children that are watched from their start.
//!
//! This layer imports from the contract alone, and from `platform`.

mod arrivals;
pub(crate) mod exit_set;
pub(crate) mod exited;
pub(crate) mod ext;
pub(crate) mod guard;
mod members;
mod refused_child;
mod several;
mod spawn;
