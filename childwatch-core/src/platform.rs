//! What the library takes from std and the kernel and both `wait` and the engine need:
//! locks and threads, who a thread is, clocks, and a wait for a file.
//!
//! This layer imports from no other layer.

pub mod clock;
pub(crate) mod readable;
pub(crate) mod sync;
pub(crate) mod thread_identity;

#[cfg(test)]
pub(crate) mod refusing;
