//! Ways to wait for an exit, over any `PidWatcher`: closures, guards, futures, timeouts, and
//! children that are watched from their start.
//!
//! This layer imports from the contract alone, and from `platform`.

pub(crate) mod exited;
pub(crate) mod ext;
pub(crate) mod guard;
mod refused_child;
mod spawn;
