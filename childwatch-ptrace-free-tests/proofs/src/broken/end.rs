//! C12: watchers that do not end, or not in time.

use std::io;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use childwatch_core::PidWatcher;
use childwatch_core::source::{ExitSource, Report};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::source::{Good, SourceFault, over_pidfds};
use super::watcher::{WatcherFault, with};
use childwatch_ptrace_free_tests::Clause::C12;
use childwatch_ptrace_free_tests::kit::deadline;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "never-ends",
        fault: "Its thread outlives it, with all that was registered.",
        breaks: Rule::Clause(C12),
        watcher: with::<NeverEnds>,
        fails: &[
            (
                "drop_with_live_children_drops_captures",
                Saying("captures_are_dropped()"),
            ),
            (
                "drop_inside_a_callback_ends_the_thread_after_it",
                InVain("captures_are_dropped()"),
            ),
            (
                "a_captured_watcher_is_dropped_by_its_own_callback",
                InVain("now there is"),
            ),
        ],
        // What it leaves behind fails every case.
        passes: &[],
        ..ON_PIDFDS
    },
    Broken {
        name: "ends-the-others",
        fault: "What watchers share in a process goes with the first that ends: those that there \
                are then tell of nothing.",
        breaks: Rule::Clause(C12),
        watcher: over_pidfds::<EndsTheOthers>,
        fails: &[(
            "the_end_of_one_watcher_harms_no_other",
            InVain("the callback ran 0 times"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "ends-later",
        fault: "Its drop does not wait for the running callback.",
        breaks: Rule::Clause(C12),
        watcher: with::<EndsLater>,
        fails: &[(
            "drop_waits_for_a_running_callback",
            Saying("!dropping.is_finished()"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "ends-with-its-futures",
        fault: "Its drop returns while what a future holds keeps its file descriptors open.",
        breaks: Rule::Clause(C12),
        watcher: with::<EndsWithItsFutures>,
        fails: &[(
            "a_future_keeps_nothing_of_its_watcher",
            Saying("files after the watcher's drop"),
        )],
        ..ON_PIDFDS
    },
];

/// What stands for a future here gives the watcher back a moment later.
#[derive(Debug, Default)]
struct EndsWithItsFutures;

impl WatcherFault for EndsWithItsFutures {
    fn end(&self, good: Box<dyn PidWatcher>) {
        thread::spawn(move || {
            deadline::holds_within(Duration::from_millis(50), || false);
            drop(good);
        });
    }
}

#[derive(Debug, Default)]
struct NeverEnds;

impl WatcherFault for NeverEnds {
    fn end(&self, good: Box<dyn PidWatcher>) {
        mem::forget(good);
    }
}

/// How many watchers of this process have ended.
static ENDED: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug)]
struct EndsTheOthers {
    ended_before: usize,
}

impl Default for EndsTheOthers {
    fn default() -> Self {
        EndsTheOthers {
            ended_before: ENDED.load(Ordering::SeqCst),
        }
    }
}

impl SourceFault for EndsTheOthers {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        if ENDED.load(Ordering::SeqCst) > self.ended_before {
            reports.clear();
        }
        Ok(())
    }
}

impl Drop for EndsTheOthers {
    fn drop(&mut self) {
        ENDED.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Debug, Default)]
struct EndsLater;

impl WatcherFault for EndsLater {
    fn end(&self, good: Box<dyn PidWatcher>) {
        thread::spawn(move || drop(good));
    }
}
