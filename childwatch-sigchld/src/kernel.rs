//! [`Kernel`]: all that a [`SigchldSource`](crate::SigchldSource) asks of the kernel.
//!
//! In a model (`--cfg childwatch_loom`) the kernel is simulated. So loom can run the real source
//! in every interleaving of its threads, of exits and of signals.

cfg_if::cfg_if! {
    if #[cfg(childwatch_loom)] {
        mod modelled;

        pub(crate) use modelled::{Kernel, Subscription};
    } else {
        mod real;

        pub(crate) use crate::listen::subscription::Subscription;
        pub(crate) use real::Kernel;
    }
}
