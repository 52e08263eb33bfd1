//! The engine: all semantics of callbacks, over any source.

pub(crate) mod backoff;
mod callback_mask;
mod cancellations;
mod dispatch;
pub(crate) mod driven;
pub(crate) mod driver;
pub(crate) mod events;
mod origin;
mod queue;
pub(crate) mod quiet_thread;
mod registry;
mod remains;
pub(crate) mod shared;
pub(crate) mod signal_mask;
pub(crate) mod threaded;
mod user_code;
