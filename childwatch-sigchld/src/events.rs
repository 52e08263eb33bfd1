//! The events of the feature `tracing`. Without the feature each function here is empty.
//!
//! The first page of `childwatch-core` has the table of events, and what holds for subscribers. No
//! event is emitted in the signal handler, or under a lock.

#![cfg_attr(
    not(feature = "tracing"),
    expect(unused_variables, reason = "nothing is emitted")
)]

use crate::schedule::Swept;

/// Emits an event whose target is `childwatch::sigchld`.
macro_rules! event {
    ($level:ident, $($fields:tt)+) => {
        #[cfg(feature = "tracing")]
        childwatch_core::source::quietly(|| {
            tracing::event!(target: "childwatch::sigchld", tracing::Level::$level, $($fields)+);
        })
    };
}

/// The installation has ended by now, so that other threads do not wait for a subscriber.
pub(crate) fn handler_installed(calls_another: bool) {
    event!(INFO, calls_another, "handler of SIGCHLD installed");
}

pub(crate) fn swept(sweep: &Swept) {
    event!(
        TRACE,
        looks = sweep.looks,
        found = sweep.found,
        processor_time_us = u64::try_from(sweep.cost.as_micros()).unwrap_or(u64::MAX),
        "swept"
    );
}
