//! What the library takes from std and the kernel and `wait`, `source` and the engine need:
//! locks and threads, who a thread is, clocks, files that are no standard streams, and a wait for a file.
//!
//! This layer imports from no other layer.

pub mod clock;
pub(crate) mod keep_clear;
pub(crate) mod readable;
pub(crate) mod sync;
pub(crate) mod thread_identity;

#[cfg(test)]
pub(crate) mod refusing;
