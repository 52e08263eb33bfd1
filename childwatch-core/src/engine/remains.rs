//! [`Remains`]: what may outlive a watcher, so that its futures can cancel.
//!
//! # Why a cancelled callback has run or never will (C9)
//!
//! The engine picks a due callback, and a canceller takes one out, under the same lock. So each
//! callback is picked or taken out, and never both.
//!
//! | the canceller finds | it does |
//! |---|---|
//! | the callback, not picked | takes it out under the lock, and drops it outside: it never runs |
//! | the callback picked, on another thread | waits until the engine marks it as finished, which comes after its captures are dropped |
//! | the callback picked, on its own thread | returns at once, because the call comes from inside that callback |
//! | no callback | looks it up among the cancelled ones: it has run, or was cancelled before |

use std::sync::{Arc, Weak};

use crate::contract::callback::{Unregistered, WatchHandle};
use crate::contract::canceller::Cancels;
use crate::engine::dispatch::Dispatch;
use crate::engine::origin::Origin;
use crate::engine::registry::Cancelled;
use crate::source::token::Token;

/// Cancels callbacks while the watcher exists, and keeps no file descriptor or thread of it.
pub(crate) struct EngineCanceller {
    pub(crate) remains: Arc<Remains>,
    pub(crate) source: Weak<dyn Disarms>,
}

/// The part that may outlive a watcher. It is memory, without a file descriptor or a thread.
pub(crate) struct Remains {
    pub(crate) origin: Origin,
    pub(crate) dispatch: Dispatch,
}

/// A source, as far as a canceller needs it.
pub(crate) trait Disarms: Send + Sync {
    fn disarm(&self, token: Token);
}

impl Cancels for EngineCanceller {
    fn unregister_callback(&self, handle: WatchHandle) -> Unregistered {
        self.remains.unregister_callback(handle, |token| {
            // The watcher's `Drop` waits for this disarming. So `upgrade` succeeds here, and
            // this is never the last owner.
            if let Some(source) = self.source.upgrade() {
                source.disarm(token);
            }
        })
    }

    fn is_in_copy(&self) -> bool {
        self.remains.is_in_copy()
    }
}

impl Remains {
    pub(crate) fn is_in_copy(&self) -> bool {
        self.origin.check().is_err()
    }

    pub(crate) fn unregister_callback(
        &self,
        handle: WatchHandle,
        disarm: impl FnOnce(Token),
    ) -> Unregistered {
        if self.is_in_copy() {
            return Unregistered::NotPending;
        }
        match self.dispatch.cancel(handle) {
            Cancelled::Removed { callback, retired } => {
                // First the disarming, then the callback. The `Drop` of a captured value may
                // take any time or panic. It may also drop the watcher, which waits for the
                // disarming.
                if let Some(token) = retired {
                    let disarming = Disarming {
                        dispatch: &self.dispatch,
                        token,
                    };
                    disarm(token);
                    drop(disarming);
                }
                drop(callback);
                Unregistered::WillNotRun
            }
            Cancelled::Running if self.dispatch.is_in_round_here() => Unregistered::IsRunning,
            Cancelled::Running => {
                self.dispatch.wait_until_finished(handle);
                Unregistered::HasRun
            }
            Cancelled::HasRun => Unregistered::HasRun,
            Cancelled::NotPending => Unregistered::NotPending,
        }
    }
}

/// A disarming for which the watcher's `Drop` waits. It ends even if the source panics.
struct Disarming<'a> {
    dispatch: &'a Dispatch,
    token: Token,
}

impl Drop for Disarming<'_> {
    fn drop(&mut self) {
        self.dispatch.disarmed(self.token);
    }
}
