//! [`Poller`]: the one descriptor of a watcher without a thread, and what makes it readable.

pub(crate) mod ends;

cfg_if::cfg_if! {
    if #[cfg(childwatch_loom)] {
        mod modelled;

        pub(crate) use modelled::{Poller, notify};
    } else {
        mod kernel;

        pub(crate) use kernel::{Poller, notify};
    }
}
