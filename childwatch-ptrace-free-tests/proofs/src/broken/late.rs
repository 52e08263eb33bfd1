//! C5: watchers that do wrong by callbacks that come after the exit.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use childwatch_core::{Exit, ExitCallback, Pid, PidWatcher, WatchError, WatchHandle};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::watcher::{WatcherFault, with};
use childwatch_ptrace_free_tests::Clause::C5;
use childwatch_ptrace_free_tests::kit::locked::lock;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "runs-late-callbacks-in-place",
        fault: "A callback that comes after the exit runs on the thread that brings it.",
        breaks: Rule::Clause(C5),
        watcher: with::<RunsLateCallbacksInPlace>,
        fails: &[("a_late_callback_runs_at_once", Saying("left: [ThreadId("))],
        ..ON_PIDFDS
    },
    Broken {
        name: "forgets-late-callbacks",
        fault: "A callback that comes after the exit is taken, and never run.",
        breaks: Rule::Clause(C5),
        watcher: with::<ForgetsLateCallbacks>,
        fails: &[(
            "a_late_callback_runs_at_once",
            InVain("the callback ran 0 times"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "forgets-the-status",
        fault: "A callback that comes after the exit is not told its status.",
        breaks: Rule::Clause(C5),
        watcher: with::<ForgetsTheStatus>,
        fails: &[("a_late_callback_runs_at_once", Saying("left: Exit"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "forgets-the-reaped",
        fault: "A callback that comes after the reaping is refused.",
        breaks: Rule::Clause(C5),
        watcher: with::<ForgetsTheReaped>,
        fails: &[(
            "a_late_callback_runs_after_reaping_too",
            Saying("NotRegistered"),
        )],
        ..ON_PIDFDS
    },
];

#[derive(Debug, Default)]
struct RunsLateCallbacksInPlace {
    exits: Arc<Mutex<HashMap<Pid, Exit>>>,
}

impl WatcherFault for RunsLateCallbacksInPlace {
    fn register_callback(
        &self,
        good: &dyn PidWatcher,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        let exit = lock(&self.exits).get(&pid).copied();
        if let Some(exit) = exit {
            callback(exit);
            return Ok(WatchHandle::new_unique(pid));
        }
        good.register_callback(pid, self.wrap(pid, callback))
    }

    fn wrap(&self, pid: Pid, callback: ExitCallback) -> ExitCallback {
        let exits = Arc::clone(&self.exits);
        Box::new(move |exit| {
            lock(&exits).insert(pid, exit);
            callback(exit);
        })
    }
}

#[derive(Debug, Default)]
struct ForgetsLateCallbacks {
    exited: Arc<Mutex<HashSet<Pid>>>,
}

impl WatcherFault for ForgetsLateCallbacks {
    fn register_callback(
        &self,
        good: &dyn PidWatcher,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        if lock(&self.exited).contains(&pid) {
            return Ok(WatchHandle::new_unique(pid));
        }
        good.register_callback(pid, self.wrap(pid, callback))
    }

    fn wrap(&self, pid: Pid, callback: ExitCallback) -> ExitCallback {
        let exited = Arc::clone(&self.exited);
        Box::new(move |exit| {
            lock(&exited).insert(pid);
            callback(exit);
        })
    }
}

/// A process's first callback is told all.
#[derive(Debug, Default)]
struct ForgetsTheStatus {
    told: Arc<Mutex<HashSet<Pid>>>,
}

impl WatcherFault for ForgetsTheStatus {
    fn wrap(&self, pid: Pid, callback: ExitCallback) -> ExitCallback {
        let told = Arc::clone(&self.told);
        Box::new(move |exit| {
            let is_first = lock(&told).insert(pid);
            callback(if is_first { exit } else { Exit::new(pid, None) });
        })
    }
}

#[derive(Debug, Default)]
struct ForgetsTheReaped;

impl WatcherFault for ForgetsTheReaped {
    fn register_callback(
        &self,
        good: &dyn PidWatcher,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        if !Path::new(&format!("/proc/{pid}")).exists() {
            return Err(WatchError::NotRegistered { pid });
        }
        good.register_callback(pid, callback)
    }
}
