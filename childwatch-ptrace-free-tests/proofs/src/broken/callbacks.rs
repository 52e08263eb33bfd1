//! C3, C4, C10 and C17: watchers that do not run callbacks, or where, when or under what
//! they should not.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use childwatch_core::{ExitCallback, Pid, PidWatcher, Unregistered, WatchError, WatchHandle};

use super::entry::Fails::{ByHanging, InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::watcher::{Shared, WatcherFault, with};
use childwatch_ptrace_free_tests::Clause::{C3, C4, C10, C17};
use childwatch_ptrace_free_tests::kit::locked::lock;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "drops-at-the-exit",
        fault: "At the exit a callback is dropped, and not run.",
        breaks: Rule::Clause(C3),
        watcher: with::<DropsAtTheExit>,
        fails: &[(
            "each_callback_runs_once",
            InVain("the callback ran 0 times"),
        )],
        passes: &["an_unused_number_is_refused"],
        ..ON_PIDFDS
    },
    Broken {
        name: "runs-under-a-lock",
        fault: "A lock that every call takes is held while a callback runs.",
        breaks: Rule::Clause(C17),
        watcher: with::<RunsUnderALock>,
        fails: &[
            (
                "a_slow_callback_blocks_no_call",
                InVain("the gate was opened too late"),
            ),
            (
                "every_method_may_be_called_in_a_callback",
                InVain("the callback ran 0 times"),
            ),
            (
                "every_call_in_a_copy_answers_forked",
                InVain("the copy hangs"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "waits-in-unregister-pid",
        fault: "`unregister_pid` waits for the process's running callback.",
        breaks: Rule::Clause(C17),
        watcher: with::<WaitsInUnregisterPid>,
        fails: &[(
            "unregister_waits_for_a_running_callback",
            InVain("the gate was not opened"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "forgets-the-rest",
        fault: "`unregister_pid` in a callback takes the process's later callbacks along.",
        breaks: Rule::Clause(C10),
        watcher: with::<ForgetsTheRest>,
        fails: &[(
            "a_callback_ends_its_own_registration",
            InVain("the callback ran 0 times"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "drops-under-a-lock",
        fault: "A callback that is taken out is dropped under a lock that other calls take.",
        breaks: Rule::Clause(C10),
        watcher: with::<DropsUnderALock>,
        fails: &[
            ("a_captured_values_drop_calls_the_watcher", ByHanging),
            ("a_panicking_drop_harms_nothing", Saying("PoisonError")),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "runs-last-first",
        fault: "The callbacks of a process run in the reverse of their order.",
        breaks: Rule::Clause(C4),
        watcher: with::<RunsLastFirst>,
        fails: &[
            (
                "callbacks_run_in_order_on_one_thread",
                Saying("told.iter().eq(0..100)"),
            ),
            (
                "watches_of_one_process_share_its_order",
                Saying("told.iter().eq(0..4)"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "runs-each-on-its-own-thread",
        fault: "Each callback runs on a thread of its own.",
        breaks: Rule::Clause(C4),
        watcher: with::<RunsEachOnItsOwnThread>,
        fails: &[
            (
                "callbacks_run_in_order_on_one_thread",
                Saying("callbacks ran on several threads"),
            ),
            (
                "traces-in-callbacks",
                Saying("the program's job ends differently"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "runs-two-at-a-time",
        fault: "A callback does not wait until another has returned.",
        breaks: Rule::Clause(C4),
        watcher: with::<RunsTwoAtATime>,
        fails: &[(
            "callbacks_run_one_at_a_time",
            Saying("two callbacks at one time"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "loses-updates",
        fault: "Of callbacks that threads add at once to one process some are lost.",
        breaks: Rule::Clause(C17),
        watcher: with::<LosesUpdates>,
        fails: &[("many_threads_watch_one_process", InVain("times, not 400"))],
        ..ON_PIDFDS
    },
];

#[derive(Debug, Default)]
struct DropsAtTheExit;

impl WatcherFault for DropsAtTheExit {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        Box::new(move |_| drop(callback))
    }
}

#[derive(Debug, Default)]
struct RunsUnderALock {
    lock: Arc<Mutex<()>>,
}

impl WatcherFault for RunsUnderALock {
    fn register_pid(&self, good: &dyn PidWatcher, pid: Pid) -> Result<(), WatchError> {
        let _held = lock(&self.lock);
        good.register_pid(pid)
    }

    fn unregister_pid(&self, good: &dyn PidWatcher, pid: Pid) {
        let _held = lock(&self.lock);
        good.unregister_pid(pid);
    }

    fn unregister_callback(&self, good: &dyn PidWatcher, handle: WatchHandle) -> Unregistered {
        let _held = lock(&self.lock);
        good.unregister_callback(handle)
    }

    fn add(
        &self,
        _pid: Pid,
        callback: ExitCallback,
        good: &dyn Fn(ExitCallback) -> Result<WatchHandle, WatchError>,
    ) -> Result<WatchHandle, WatchError> {
        let held_while_it_runs = Arc::clone(&self.lock);
        let _held = lock(&self.lock);
        good(Box::new(move |exit| {
            let _held = lock(&held_while_it_runs);
            callback(exit);
        }))
    }
}

/// It knows of each callback whether it has begun.
#[derive(Debug, Default)]
struct WaitsInUnregisterPid {
    callbacks: Mutex<HashMap<Pid, Vec<Begun>>>,
}

type Begun = (WatchHandle, Arc<AtomicBool>);

impl WatcherFault for WaitsInUnregisterPid {
    fn unregister_pid(&self, good: &dyn PidWatcher, pid: Pid) {
        good.unregister_pid(pid);
        let callbacks = lock(&self.callbacks).remove(&pid).unwrap_or_default();
        for (handle, has_begun) in callbacks {
            if has_begun.load(Ordering::SeqCst) {
                good.unregister_callback(handle);
            }
        }
    }

    fn add(
        &self,
        pid: Pid,
        callback: ExitCallback,
        good: &dyn Fn(ExitCallback) -> Result<WatchHandle, WatchError>,
    ) -> Result<WatchHandle, WatchError> {
        let has_begun = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&has_begun);
        let handle = good(Box::new(move |exit| {
            begins.store(true, Ordering::SeqCst);
            callback(exit);
        }))?;
        let mut callbacks = lock(&self.callbacks);
        callbacks.entry(pid).or_default().push((handle, has_begun));
        Ok(handle)
    }
}

#[derive(Debug, Default)]
struct ForgetsTheRest {
    is_over: Arc<Mutex<HashSet<Pid>>>,
    running: Arc<Mutex<Option<Pid>>>,
}

impl WatcherFault for ForgetsTheRest {
    fn unregister_pid(&self, good: &dyn PidWatcher, pid: Pid) {
        if *lock(&self.running) == Some(pid) {
            lock(&self.is_over).insert(pid);
        }
        good.unregister_pid(pid);
    }

    fn wrap(&self, pid: Pid, callback: ExitCallback) -> ExitCallback {
        let (is_over, running) = (Arc::clone(&self.is_over), Arc::clone(&self.running));
        Box::new(move |exit| {
            if !lock(&is_over).contains(&pid) {
                *lock(&running) = Some(pid);
                callback(exit);
                *lock(&running) = None;
            }
        })
    }
}

#[derive(Debug, Default)]
struct DropsUnderALock {
    lock: Mutex<()>,
}

impl WatcherFault for DropsUnderALock {
    fn unregister_callback(&self, good: &dyn PidWatcher, handle: WatchHandle) -> Unregistered {
        let _held = self.lock.lock().expect("nobody has panicked");
        good.unregister_callback(handle)
    }

    fn watch(
        &self,
        good: &dyn PidWatcher,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        let _held = self.lock.lock().expect("nobody has panicked");
        good.watch(pid, callback)
    }

    fn register_pid(&self, good: &dyn PidWatcher, pid: Pid) -> Result<(), WatchError> {
        let _held = self.lock.lock().expect("nobody has panicked");
        good.register_pid(pid)
    }
}

#[derive(Debug, Default)]
struct RunsLastFirst {
    stacks: Mutex<HashMap<Pid, Stack>>,
}

type Stack = Arc<Mutex<Vec<Arc<Shared>>>>;

impl WatcherFault for RunsLastFirst {
    fn wrap(&self, pid: Pid, callback: ExitCallback) -> ExitCallback {
        let stack = Arc::clone(lock(&self.stacks).entry(pid).or_default());
        lock(&stack).push(Shared::new(callback));
        Box::new(move |exit| {
            let last = lock(&stack).pop();
            if let Some(callback) = last.and_then(|last| last.take()) {
                callback(exit);
            }
        })
    }
}

/// And the watcher's own thread waits for it.
#[derive(Debug, Default)]
struct RunsEachOnItsOwnThread;

impl WatcherFault for RunsEachOnItsOwnThread {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        Box::new(move |exit| {
            let _ = thread::spawn(move || callback(exit)).join();
        })
    }
}

/// And the watcher's own thread does not wait for it.
#[derive(Debug, Default)]
struct RunsTwoAtATime;

impl WatcherFault for RunsTwoAtATime {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        Box::new(move |exit| {
            thread::spawn(move || callback(exit));
        })
    }
}

#[derive(Debug, Default)]
struct LosesUpdates {
    next: AtomicUsize,
    valid: Arc<Mutex<HashMap<Pid, HashSet<usize>>>>,
}

impl WatcherFault for LosesUpdates {
    fn wrap(&self, pid: Pid, callback: ExitCallback) -> ExitCallback {
        let id = self.next.fetch_add(1, Ordering::SeqCst);
        let mut updated = lock(&self.valid).get(&pid).cloned().unwrap_or_default();
        thread::yield_now();
        updated.insert(id);
        lock(&self.valid).insert(pid, updated);
        let valid = Arc::clone(&self.valid);
        Box::new(move |exit| {
            let is_valid = lock(&valid).get(&pid).is_some_and(|ids| ids.contains(&id));
            if is_valid {
                callback(exit);
            }
        })
    }
}
