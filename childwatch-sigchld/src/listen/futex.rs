//! [`Futex`]: a number that a thread waits on until it changes.

cfg_if::cfg_if! {
    if #[cfg(loom)] {
        mod modelled;

        pub(crate) use modelled::Futex;
    } else {
        mod kernel;

        pub(crate) use kernel::Futex;
    }
}
