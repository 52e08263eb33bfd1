//! [`Futex`]: a number that a thread waits on until it changes.

cfg_if::cfg_if! {
    if #[cfg(childwatch_loom)] {
        mod modelled;

        pub(crate) use modelled::Futex;
    } else {
        mod kernel;

        pub(crate) use kernel::Futex;
    }
}
