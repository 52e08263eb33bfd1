//! [`Tally`]: what has been done, and what went wrong.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread::{self, ThreadId};

use childwatch_ptrace_free_tests::kit::locked::lock;

/// More are counted, and not told one by one.
const FAULTS_TOLD: usize = 20;

macro_rules! counts {
    ($($(#[doc = $doc:literal])* $count:ident,)*) => {
        /// How often what has happened.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[doc = $doc])* pub $count: u64,)*
        }

        /// Counts by many threads.
        #[derive(Debug, Default)]
        pub(super) struct Tally {
            $(pub(super) $count: AtomicU64,)*
            captured: AtomicI64,
            thread: OnceLock<ThreadId>,
            faults: Mutex<Vec<String>>,
        }

        impl Tally {
            pub(super) fn counts(&self) -> Counts {
                Counts {
                    $($count: self.$count.load(Ordering::SeqCst),)*
                }
            }
        }

        impl Counts {
            /// Every count, by its name.
            #[must_use]
            pub fn by_name(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($count), self.$count)),*]
            }

            /// The counts of these names, and zero for any other.
            #[must_use]
            pub fn from_names(by_name: impl Fn(&str) -> Option<u64>) -> Self {
                Counts {
                    $($count: by_name(stringify!($count)).unwrap_or_default(),)*
                }
            }
        }
    };
}

counts! {
    /// Children that were born.
    births,
    /// Of those, with a number that another had before.
    reused,
    /// Of those, while the other's registration was still there.
    taken_over,
    /// Children that were let go or killed.
    exits,
    /// Children that were stopped, and continued.
    stops,
    /// Calls of `register_pid`.
    register_pid,
    /// Of those and of the others, calls that were refused as they should be.
    refused,
    /// Calls of `unregister_pid`.
    unregister_pid,
    /// Calls of `register_callback`.
    register_callback,
    /// Calls of `watch`.
    watch,
    /// Of those, from inside callbacks.
    watch_inside,
    /// Calls of `unregister_callback`.
    unregister_callback,
    /// Callbacks that were registered.
    registered,
    /// Callbacks that ran for an exit.
    told,
    /// Of those, without a status: the child had been reaped.
    unknown,
    /// Callbacks that were taken out.
    cancelled,
    /// Callbacks that went with their watcher.
    dropped,
    /// Watchers that were made and dropped on the way.
    watchers,
    /// Callbacks that did not run, though their child had exited.
    lost,
    /// Callbacks that ran, though they had run, were taken out, or their watcher dropped.
    doubled,
    /// Callbacks that ran before their child could have exited.
    early,
    /// Callbacks that were told another number, or another status.
    wrong,
    /// Callbacks that ran before an earlier registered one, or on another thread.
    disordered,
    /// Calls that answered what they must not.
    misanswered,
    /// Children that somebody else had reaped.
    stolen,
    /// Files, threads, memory or captured values that were left.
    leaked,
}

impl Counts {
    /// What must not happen, by its name.
    #[must_use]
    pub fn faults(&self) -> [(&'static str, u64); 8] {
        [
            ("lost", self.lost),
            ("doubled", self.doubled),
            ("early", self.early),
            ("wrong", self.wrong),
            ("disordered", self.disordered),
            ("misanswered", self.misanswered),
            ("stolen", self.stolen),
            ("leaked", self.leaked),
        ]
    }

    /// The callbacks of which nothing has come yet.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        let settled = self.told + self.cancelled + self.dropped + self.lost;
        self.registered.saturating_sub(settled)
    }

    /// Whether nothing of that has happened.
    #[must_use]
    pub fn is_faultless(&self) -> bool {
        self.faults().iter().all(|(_, count)| *count == 0)
    }
}

impl Tally {
    pub(super) fn count(&self, what: impl FnOnce(&Self) -> &AtomicU64) {
        what(self).fetch_add(1, Ordering::SeqCst);
    }

    /// Counts a fault, and keeps its words if it is of the first.
    pub(super) fn fault(&self, what: impl FnOnce(&Self) -> &AtomicU64, words: String) {
        self.count(what);
        let mut faults = lock(&self.faults);
        if faults.len() < FAULTS_TOLD {
            faults.push(words);
        }
    }

    pub(super) fn leaked(&self, words: String) {
        self.fault(|tally| &tally.leaked, words);
    }

    pub(super) fn faults(&self) -> Vec<String> {
        lock(&self.faults).clone()
    }

    /// Returns `true` if all of the watcher's callbacks so far have run on this thread.
    pub(super) fn is_the_watchers_thread(&self) -> bool {
        let current = thread::current().id();
        *self.thread.get_or_init(|| current) == current
    }

    /// A callback's captured value has come, or gone.
    pub(super) fn add_captured(&self, change: i64) {
        self.captured.fetch_add(change, Ordering::SeqCst);
    }

    pub(super) fn captured(&self) -> i64 {
        self.captured.load(Ordering::SeqCst)
    }
}
