//! What the source's threads and the handler share: std's types, or loom's in a model
//! (`--cfg childwatch_loom`).

cfg_if::cfg_if! {
    if #[cfg(childwatch_loom)] {
        mod modelled;

        pub(crate) use loom::sync::{Mutex, MutexGuard};
        pub(crate) use loom::thread::yield_now;

        pub(crate) mod atomic {
            pub(crate) use loom::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

            pub(crate) use super::modelled::AtomicU32;
        }
    } else {
        pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
        pub(crate) use std::thread::yield_now;
    }
}
