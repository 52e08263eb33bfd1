//! C9: watchers that take out too little, too much or too late, or do not say
//! truly what came of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use childwatch_core::{ExitCallback, Pid, PidWatcher, Unregistered, WatchError, WatchHandle};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::watcher::{Shared, WatcherFault, with};
use childwatch_ptrace_free_tests::Clause::C9;
use childwatch_ptrace_free_tests::kit::deadline;
use childwatch_ptrace_free_tests::kit::locked::lock;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "drops-captures-late",
        fault: "What a callback captured is dropped only with the watcher.",
        breaks: Rule::Clause(C9),
        watcher: with::<DropsCapturesLate>,
        fails: &[
            (
                "an_unregistered_callback_never_runs",
                Saying("dropped.captures_are_dropped()"),
            ),
            (
                "unregister_races_the_exit",
                Saying("probe.captures_are_dropped()"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "runs-what-was-taken-out",
        fault: "A callback that was taken out runs all the same.",
        breaks: Rule::Clause(C9),
        watcher: with::<RunsWhatWasTakenOut>,
        fails: &[(
            "the_last_callback_goes_as_its_exit_is_in_flight",
            Saying("it ran after it was taken out"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "does-not-wait",
        fault: "`unregister_callback` returns while the callback is running.",
        breaks: Rule::Clause(C9),
        watcher: with::<DoesNotWait>,
        fails: &[(
            "unregister_waits_for_a_running_callback",
            InVain("!unregistering.is_finished()"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "waits-for-the-others",
        fault: "`unregister_callback` waits for the process's other callbacks too.",
        breaks: Rule::Clause(C9),
        watcher: with::<WaitsForTheOthers>,
        fails: &[(
            "unregister_waits_for_no_other_callback",
            InVain("the gate was opened too late"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "does-not-know-itself",
        fault: "A callback that unregisters itself is told that it has run.",
        breaks: Rule::Clause(C9),
        watcher: with::<DoesNotKnowItself>,
        fails: &[(
            "a_callback_that_unregisters_itself_is_running",
            Saying("left: Ok(HasRun)"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "puts-off-in-callbacks",
        fault: "What a callback takes out is dropped some time later.",
        breaks: Rule::Clause(C9),
        watcher: with::<PutsOffInCallbacks>,
        fails: &[(
            "a_callback_unregisters_another",
            Saying("left: Ok((WillNotRun, false))"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "always-takes-out",
        fault: "`unregister_callback` of what has run answers that it will not run.",
        breaks: Rule::Clause(C9),
        watcher: with::<AlwaysTakesOut>,
        fails: &[(
            "a_second_unregister_finds_nothing",
            Saying("left: WillNotRun"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-out-twice",
        fault: "Of two threads that take out one callback at once each is told that it did.",
        breaks: Rule::Clause(C9),
        watcher: with::<TakesOutTwice>,
        fails: &[("of_many_at_once_one_takes_out", Saying("right: 1"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "claims-that-it-has-run",
        fault: "What is not pending is said to have run.",
        breaks: Rule::Clause(C9),
        watcher: with::<ClaimsThatItHasRun>,
        fails: &[
            ("a_second_unregister_finds_nothing", Saying("left: HasRun")),
            (
                "a_handle_of_another_watcher_leads_to_nothing",
                Saying("it answers for another watcher"),
            ),
            ("of_many_at_once_one_takes_out", Saying("right: 3")),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-out-the-youngest",
        fault: "A handle leads to the youngest callback of its process.",
        breaks: Rule::Clause(C9),
        watcher: with::<TakesOutTheYoungest>,
        fails: &[(
            "a_second_unregister_finds_nothing",
            Saying("left: WillNotRun"),
        )],
        ..ON_PIDFDS
    },
];

#[derive(Debug, Default)]
struct DropsCapturesLate {
    kept: Mutex<Vec<Arc<Shared>>>,
}

impl WatcherFault for DropsCapturesLate {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        let shared = Shared::new(callback);
        lock(&self.kept).push(Arc::clone(&shared));
        shared.callback()
    }
}

#[derive(Debug, Default)]
struct RunsWhatWasTakenOut;

impl WatcherFault for RunsWhatWasTakenOut {
    fn unregister_callback(&self, _good: &dyn PidWatcher, _handle: WatchHandle) -> Unregistered {
        Unregistered::WillNotRun
    }
}

/// It knows of each callback whether it has begun, and takes that for its end.
#[derive(Debug, Default)]
struct DoesNotWait {
    has_begun: Mutex<HashMap<WatchHandle, Arc<AtomicBool>>>,
}

impl WatcherFault for DoesNotWait {
    fn add(
        &self,
        _pid: Pid,
        callback: ExitCallback,
        good: &dyn Fn(ExitCallback) -> Result<WatchHandle, WatchError>,
    ) -> Result<WatchHandle, WatchError> {
        let has_begun = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&has_begun);
        let handle = good(Box::new(move |exit| {
            begins.store(true, Ordering::SeqCst);
            callback(exit);
        }))?;
        lock(&self.has_begun).insert(handle, has_begun);
        Ok(handle)
    }

    fn unregister_callback(&self, good: &dyn PidWatcher, handle: WatchHandle) -> Unregistered {
        let has_begun = lock(&self.has_begun).get(&handle).map(Arc::clone);
        match has_begun {
            Some(begun) if begun.load(Ordering::SeqCst) => Unregistered::HasRun,
            _ => good.unregister_callback(handle),
        }
    }
}

/// Each callback has a share in what stands for its process.
#[derive(Debug, Default)]
struct WaitsForTheOthers {
    processes: Mutex<HashMap<Pid, Arc<()>>>,
}

impl WatcherFault for WaitsForTheOthers {
    fn wrap(&self, pid: Pid, callback: ExitCallback) -> ExitCallback {
        let share = Arc::clone(lock(&self.processes).entry(pid).or_default());
        Box::new(move |exit| {
            let _until_it_has_run = share;
            callback(exit);
        })
    }

    fn unregister_callback(&self, good: &dyn PidWatcher, handle: WatchHandle) -> Unregistered {
        let outcome = good.unregister_callback(handle);
        let process = lock(&self.processes).get(&handle.pid()).map(Arc::downgrade);
        if let (Unregistered::HasRun, Some(process)) = (outcome, process) {
            // One share is the table's. A case gives up sooner.
            deadline::holds_within(2 * deadline::patience(), || process.strong_count() == 1);
        }
        outcome
    }
}

#[derive(Debug, Default)]
struct DoesNotKnowItself;

impl WatcherFault for DoesNotKnowItself {
    fn unregister_callback(&self, good: &dyn PidWatcher, handle: WatchHandle) -> Unregistered {
        match good.unregister_callback(handle) {
            Unregistered::IsRunning => Unregistered::HasRun,
            truth => truth,
        }
    }
}

/// Some time later is never, here.
#[derive(Debug, Default)]
struct PutsOffInCallbacks {
    runs_on: Arc<Mutex<Option<ThreadId>>>,
}

impl WatcherFault for PutsOffInCallbacks {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        let runs_on = Arc::clone(&self.runs_on);
        Box::new(move |exit| {
            *lock(&runs_on) = Some(thread::current().id());
            callback(exit);
        })
    }

    fn unregister_callback(&self, good: &dyn PidWatcher, handle: WatchHandle) -> Unregistered {
        if *lock(&self.runs_on) == Some(thread::current().id()) {
            return Unregistered::WillNotRun;
        }
        good.unregister_callback(handle)
    }
}

#[derive(Debug, Default)]
struct AlwaysTakesOut;

impl WatcherFault for AlwaysTakesOut {
    fn unregister_callback(&self, good: &dyn PidWatcher, handle: WatchHandle) -> Unregistered {
        match good.unregister_callback(handle) {
            Unregistered::HasRun | Unregistered::NotPending => Unregistered::WillNotRun,
            truth => truth,
        }
    }
}

#[derive(Debug, Default)]
struct ClaimsThatItHasRun;

impl WatcherFault for ClaimsThatItHasRun {
    fn unregister_callback(&self, good: &dyn PidWatcher, handle: WatchHandle) -> Unregistered {
        match good.unregister_callback(handle) {
            Unregistered::NotPending => Unregistered::HasRun,
            truth => truth,
        }
    }
}

#[derive(Debug, Default)]
struct TakesOutTwice {
    under_way: AtomicUsize,
}

impl WatcherFault for TakesOutTwice {
    fn unregister_callback(&self, good: &dyn PidWatcher, handle: WatchHandle) -> Unregistered {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        // So that on one core, too, another call comes meanwhile.
        thread::yield_now();
        let outcome = good.unregister_callback(handle);
        thread::yield_now();
        let is_contended = self.under_way.fetch_sub(1, Ordering::SeqCst) > 1;
        match outcome {
            Unregistered::NotPending if is_contended => Unregistered::WillNotRun,
            truth => truth,
        }
    }
}

#[derive(Debug, Default)]
struct TakesOutTheYoungest {
    handles: Mutex<HashMap<Pid, Vec<WatchHandle>>>,
}

impl WatcherFault for TakesOutTheYoungest {
    fn add(
        &self,
        pid: Pid,
        callback: ExitCallback,
        good: &dyn Fn(ExitCallback) -> Result<WatchHandle, WatchError>,
    ) -> Result<WatchHandle, WatchError> {
        let handle = good(callback)?;
        lock(&self.handles).entry(pid).or_default().push(handle);
        Ok(handle)
    }

    fn unregister_callback(&self, good: &dyn PidWatcher, handle: WatchHandle) -> Unregistered {
        let youngest = lock(&self.handles)
            .get_mut(&handle.pid())
            .and_then(Vec::pop)
            .unwrap_or(handle);
        good.unregister_callback(youngest)
    }
}
