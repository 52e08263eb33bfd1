//! The lock of the table: std's types, or loom's in a model (`--cfg childwatch_loom`).

cfg_if::cfg_if! {
    if #[cfg(childwatch_loom)] {
        pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
    } else {
        pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
    }
}
