//! Watchers that are built on the engine and need no kernel of their own.

pub(crate) mod fallback;
pub(crate) mod simulated;
