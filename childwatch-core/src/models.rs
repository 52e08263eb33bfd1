//! What the contract promises about threads, model by model, in every interleaving.
//!
//! Each model has a whole watcher with its thread, or with its driver (`driving`). It is over
//! simulated processes, or over a `models::source::Source`, which refuses and fails as the model
//! asks. Only the types of `platform::sync` are loom's. If a callback never runs, or a wait
//! never ends, loom finds a deadlock and ends the model.
//!
//! If a race has several outcomes, a model also checks that it has met all of them.

#[cfg(test)]
mod cancelling;
#[cfg(test)]
mod driving;
#[cfg(test)]
mod dropping;
#[cfg(test)]
mod exit_set;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod fallback;
#[cfg(test)]
mod future;
#[cfg(test)]
mod identity;
pub mod interleavings;
#[cfg(test)]
mod registering;
#[cfg(test)]
mod source;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod trace;
