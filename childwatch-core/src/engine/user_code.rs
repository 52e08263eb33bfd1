//! Runs and drops what is the user's: callbacks, what they capture, and the payloads of their
//! panics. None of these may stop the watcher's thread.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::contract::callback::ExitCallback;
use crate::contract::error::WatchError;
use crate::contract::exit::Exit;
use crate::engine::origin::Origin;

/// How many payloads are dropped in a row, if dropping one panics with the next. Without a limit,
/// a payload whose `Drop` always panics with another such payload would keep the thread for ever.
const PAYLOADS: usize = 16;

/// How a callback has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Returned,
    Panicked,
    /// It has returned or panicked, in a forked copy of the process.
    InCopy,
}

/// Runs a callback and drops its captured values. If it panics, the panic hook has reported
/// that, and the panic goes no further (C11).
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

/// Drops a value of the user's. If its `Drop` panics, the panic goes no further, and its payload
/// is dropped too.
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

/// Drops callbacks with their captures. Must not be called under a lock.
///
/// The `Drop` of a captured value may fork. In the copy, the other callbacks are not dropped,
/// because they are the parent's.
///
/// # Errors
///
/// [`Forked`](WatchError::Forked) in the copy.
pub(crate) fn drop_all(callbacks: Vec<ExitCallback>, origin: &Origin) -> Result<(), WatchError> {
    let mut callbacks = callbacks.into_iter();
    for callback in callbacks.by_ref() {
        drop_quietly(callback);
        if let Err(forked) = origin.check() {
            mem::forget(callbacks);
            return Err(forked);
        }
    }
    Ok(())
}
