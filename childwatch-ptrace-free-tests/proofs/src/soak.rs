//! The soak: random calls from many threads, on thousands of real children, for minutes.
//!
//! Each thread has children of its own, which it gives birth to, watches, stops, lets go
//! and reaps as its dice say, and whose numbers only it uses. So it knows what each call
//! must answer. Each callback knows what it must be told, and that it may be told at all.
//! In a pid namespace with few numbers, these come back soon: while callbacks of their
//! last processes wait, and for processes that were never unregistered.
//!
//! Each signal has a watcher look at many children, and so hides what an earlier one should
//! have had it find. So now and then all threads pause, and no child exits, until every exit
//! is told. Then single children exit, and single callbacks come late, each when the one before
//! is told. If a signal, an edge or a wake-up is lost there, nothing else repairs it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use childwatch_core::WatchError;

use childwatch_ptrace_free_tests::kit::deadline;
use childwatch_ptrace_free_tests::kit::footprint::{self, Footprint};
use childwatch_ptrace_free_tests::machine::namespace;

mod child;
mod life;
mod numbers;
mod shared;
mod sleeper;
mod tally;
mod worker;

pub use shared::Order;
pub use tally::Counts;

use numbers::Numbers;
use shared::Shared;
use worker::Worker;

/// How it stands.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Since the beginning.
    pub elapsed: Duration,
    /// What has happened.
    pub counts: Counts,
    /// The files that are open.
    pub fds: usize,
    /// The memory in use, in bytes.
    pub memory: usize,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What has happened.
    pub counts: Counts,
    /// The most files that were open.
    pub peak_fds: usize,
    /// The memory in use when all children were there, halfway, and before the end.
    pub memory: [usize; 3],
    /// The first faults, in words.
    pub faults: Vec<String>,
}

/// How often `report` is called, about.
const BETWEEN_REPORTS: Duration = Duration::from_millis(250);

/// Memory that comes and goes with the children's fortunes.
const MEMORY_NOISE: usize = 8 << 20;

/// Carries the order out, and calls `report` now and then. It leaves nothing behind.
///
/// # Errors
///
/// When the backend gives no watcher.
pub fn run(order: &Order, mut report: impl FnMut(&Progress)) -> Result<Outcome, WatchError> {
    let before = Footprint::now();
    let watcher = Arc::new(life::TheWatcher(order.watcher()?));
    let shared = Shared {
        order: *order,
        tally: Arc::default(),
        numbers: Numbers::up_to(namespace::pid_max().unwrap_or(1 << 22)),
        is_over: AtomicBool::new(false),
        lull: Barrier::new(order.threads.min(order.children)),
        is_last_lull: AtomicBool::new(false),
    };
    let gauges = thread::scope(|scope| {
        let workers: Vec<_> = (0..order.threads)
            .map(|index| {
                let (shared, watcher) = (&shared, &watcher);
                scope.spawn(move || Worker::new(shared, watcher, index).work())
            })
            .collect();
        let mut gauges = Gauges::default();
        let start = Instant::now();
        while start.elapsed() < order.time {
            let left = order.time.saturating_sub(start.elapsed());
            // Time is all that this waits for, or the death of a worker.
            let has_ended = || workers.iter().any(|worker| worker.is_finished());
            if deadline::holds_within(BETWEEN_REPORTS.min(left), has_ended) {
                break;
            }
            let progress = Progress {
                elapsed: start.elapsed(),
                counts: shared.tally.counts(),
                fds: footprint::open_files(),
                memory: footprint::resident_bytes(),
            };
            gauges.read(&progress, order.time);
            report(&progress);
        }
        shared.is_over.store(true, Ordering::SeqCst);
        gauges
    });
    let tally = &shared.tally;
    // Those that callbacks have registered are no thread's: they are due at once.
    let is_even = || tally.counts().outstanding() == 0;
    deadline::holds_within(order.patience, is_even);
    for _ in 0..tally.counts().outstanding() {
        let words = "a callback that a callback registered has not run".to_owned();
        tally.fault(|tally| &tally.lost, words);
    }
    drop(watcher);

    let left = deadline::holds_within(order.patience, || before == Footprint::now());
    if !left {
        let now = Footprint::now();
        tally.leaked(format!("{now:?} at the end, where there was {before:?}"));
    }
    let captured = tally.captured();
    if captured != 0 {
        tally.leaked(format!(
            "what {captured} callbacks captured is never dropped"
        ));
    }
    let [_, halfway, end] = gauges.memory;
    if end > halfway + halfway / 4 + MEMORY_NOISE {
        tally.leaked(format!(
            "{halfway} bytes of memory halfway, {end} at the end"
        ));
    }
    Ok(Outcome {
        counts: tally.counts(),
        peak_fds: gauges.peak_fds,
        memory: gauges.memory,
        faults: tally.faults(),
    })
}

#[derive(Default)]
struct Gauges {
    peak_fds: usize,
    memory: [usize; 3],
}

impl Gauges {
    fn read(&mut self, progress: &Progress, time: Duration) {
        self.peak_fds = self.peak_fds.max(progress.fds);
        let [start, halfway, end] = &mut self.memory;
        // All children are there after a moment.
        if progress.elapsed < time / 10 || *start == 0 {
            *start = progress.memory;
        }
        if progress.elapsed < time / 2 || *halfway == 0 {
            *halfway = progress.memory;
        }
        *end = progress.memory;
    }
}
