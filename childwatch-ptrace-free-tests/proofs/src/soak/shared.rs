//! [`Order`] and [`Shared`]: what all threads of a soak know.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use childwatch_core::{PidWatcher, WatchError};

use super::numbers::Numbers;
use super::tally::Tally;
use childwatch_ptrace_free_tests::kit::looped::Loop;
use childwatch_ptrace_free_tests::{BackendUnderTest, Feature};

/// What is to be done.
#[derive(Clone, Copy)]
pub struct Order {
    /// The backend.
    pub backend: &'static dyn BackendUnderTest,
    /// Where the dice begin. The same seed gives the same throws, thread by thread; what
    /// comes of them depends on the moment.
    pub seed: u64,
    /// How many children there are at one time.
    pub children: usize,
    /// How many threads share them.
    pub threads: usize,
    /// How long it goes on.
    pub time: Duration,
    /// How long a callback may be due before it is lost.
    pub patience: Duration,
}

impl Order {
    /// The watcher that all threads use. Without a thread of its own, it is driven once for each
    /// edge of its descriptor, so an exit that has no edge is lost.
    ///
    /// # Errors
    ///
    /// When the backend gives no watcher.
    pub(super) fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        match self.backend.offers(Feature::Driver) {
            Ok(()) => Loop::start_on_edges(self.backend.driven()?),
            Err(_it_drives_itself) => self.backend.watcher(),
        }
    }
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Order")
            .field("backend", &self.backend.name())
            .field("seed", &self.seed)
            .field("children", &self.children)
            .field("threads", &self.threads)
            .field("time", &self.time)
            .field("patience", &self.patience)
            .finish()
    }
}

/// What all threads share.
pub(super) struct Shared {
    pub(super) order: Order,
    pub(super) tally: Arc<Tally>,
    pub(super) numbers: Numbers,
    pub(super) is_over: AtomicBool,
    /// What all threads with children meet at, in a lull.
    pub(super) lull: Barrier,
    /// The lull that has begun is the last.
    pub(super) is_last_lull: AtomicBool,
}
