//! Locks, atomics and threads: std's types, or loom's in a model (`--cfg childwatch_loom`).
//!
//! In a model, loom runs the threads one at a time, in every order. A load sees every value that
//! the memory model allows.
//!
//! Some types are std's in a model too, because the models do not explore them: `Arc`, `Weak`,
//! `OnceLock`, and the counters in statics, which live on from one interleaving to the next.

cfg_if::cfg_if! {
    if #[cfg(childwatch_loom)] {
        mod modelled;

        pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
        pub(crate) use modelled::{Condvar, thread, time_runs_out};
    } else {
        pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic};
        pub(crate) use std::thread;
    }
}
