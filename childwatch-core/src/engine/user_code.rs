//! Runs and drops what is the user's: callbacks, what they capture, and the payloads of their
//! panics. None of these may stop the watcher's thread.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::contract::callback::ExitCallback;
use crate::contract::exit::Exit;
use crate::engine::origin::Origin;

/// How many payloads are dropped of panics that each come from dropping the last one: a
/// payload may make another one of its own kind, without end.
const PAYLOADS: usize = 16;

/// How a callback has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Returned,
    Panicked,
    /// In a forked copy of the process, either way.
    InCopy,
}

/// Runs a callback to its end, its captured values' included. A panic has been
/// reported by the panic hook and goes no further (C11).
pub(crate) fn run_callback(callback: ExitCallback, exit: Exit, origin: &Origin) -> Ended {
    let outcome = catch_unwind(AssertUnwindSafe(move || callback(exit)));
    if origin.check().is_err() {
        mem::forget(outcome);
        return Ended::InCopy;
    }
    match outcome {
        Ok(()) => Ended::Returned,
        Err(payload) => {
            drop_quietly(payload);
            Ended::Panicked
        }
    }
}

/// Drops a user's value whose `Drop` may panic, where the panic must go no
/// further. What such a panic carries is dropped too.
pub(crate) fn drop_quietly<T>(value: T) {
    let mut dropped = catch_unwind(AssertUnwindSafe(move || drop(value)));
    for _ in 0..PAYLOADS {
        match dropped {
            Ok(()) => return,
            Err(payload) => dropped = catch_unwind(AssertUnwindSafe(move || drop(payload))),
        }
    }
    mem::forget(dropped);
}

/// Drops what callbacks captured, without the lock.
pub(crate) fn drop_all(callbacks: Vec<ExitCallback>) {
    for callback in callbacks {
        drop_quietly(callback);
    }
}
