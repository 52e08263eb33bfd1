//! C8: watchers whose registrations end too soon, too late or not at all.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use childwatch_core::{ExitCallback, Pid, PidWatcher, WatchError, WatchHandle};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::watcher::{WatcherFault, with};
use childwatch_ptrace_free_tests::Clause::C8;
use childwatch_ptrace_free_tests::kit::locked::lock;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "unregisters-nothing",
        fault: "`unregister_pid` does nothing.",
        breaks: Rule::Clause(C8),
        watcher: with::<UnregistersNothing>,
        fails: &[
            (
                "unregister_pid_keeps_callbacks_and_refuses_new_ones",
                Saying("Ok(WatchHandle"),
            ),
            (
                "the_pid_can_be_registered_again",
                Saying("AlreadyRegistered"),
            ),
            ("full_lives_leave_nothing", InVain("now there is")),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-callbacks-along",
        fault: "`unregister_pid` takes the process's callbacks out too.",
        breaks: Rule::Clause(C8),
        watcher: with::<TakesCallbacksAlong>,
        fails: &[(
            "unregister_pid_keeps_callbacks_and_refuses_new_ones",
            InVain("the callback ran 0 times, not 3"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "watch-registers",
        fault: "What `watch` registers does not end with its callback.",
        breaks: Rule::Clause(C8),
        watcher: with::<WatchRegisters>,
        fails: &[
            (
                "a_callback_without_a_registration_is_refused",
                Saying("Ok(WatchHandle"),
            ),
            (
                "a_set_of_processes_leaves_nothing",
                Saying("a registration of the set is left"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "watch-unregisters",
        fault: "`watch` ends the registration that it joins.",
        breaks: Rule::Clause(C8),
        watcher: with::<WatchUnregisters>,
        fails: &[(
            "a_watch_leaves_the_registration_that_it_joins",
            Saying("NotRegistered"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "panics-on-an-unknown-pid",
        fault: "`unregister_pid` of what is not registered panics.",
        breaks: Rule::Clause(C8),
        watcher: with::<PanicsOnAnUnknownPid>,
        fails: &[(
            "unregister_pid_is_idempotent_and_harmless",
            Saying("1 is not registered"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "registers-a-number-once",
        fault: "A number that has been registered is so for ever.",
        breaks: Rule::Clause(C8),
        watcher: with::<RegistersANumberOnce>,
        fails: &[(
            "the_pid_can_be_registered_again",
            Saying("AlreadyRegistered"),
        )],
        ..ON_PIDFDS
    },
];

#[derive(Debug, Default)]
struct UnregistersNothing;

impl WatcherFault for UnregistersNothing {
    fn unregister_pid(&self, _good: &dyn PidWatcher, _pid: Pid) {}
}

#[derive(Debug, Default)]
struct TakesCallbacksAlong {
    handles: Mutex<HashMap<Pid, Vec<WatchHandle>>>,
}

impl WatcherFault for TakesCallbacksAlong {
    fn unregister_pid(&self, good: &dyn PidWatcher, pid: Pid) {
        let handles = lock(&self.handles).remove(&pid).unwrap_or_default();
        for handle in handles {
            good.unregister_callback(handle);
        }
        good.unregister_pid(pid);
    }

    fn register_callback(
        &self,
        good: &dyn PidWatcher,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        let handle = good.register_callback(pid, callback)?;
        lock(&self.handles).entry(pid).or_default().push(handle);
        Ok(handle)
    }
}

#[derive(Debug, Default)]
struct WatchRegisters;

impl WatcherFault for WatchRegisters {
    fn watch(
        &self,
        good: &dyn PidWatcher,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        match good.register_pid(pid) {
            Ok(()) | Err(WatchError::AlreadyRegistered { .. }) => {
                good.register_callback(pid, callback)
            }
            Err(refused) => Err(refused),
        }
    }
}

#[derive(Debug, Default)]
struct WatchUnregisters;

impl WatcherFault for WatchUnregisters {
    fn watch(
        &self,
        good: &dyn PidWatcher,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        let handle = good.watch(pid, callback)?;
        good.unregister_pid(pid);
        Ok(handle)
    }
}

#[derive(Debug, Default)]
struct PanicsOnAnUnknownPid {
    registered: Mutex<HashSet<Pid>>,
}

impl WatcherFault for PanicsOnAnUnknownPid {
    fn register_pid(&self, good: &dyn PidWatcher, pid: Pid) -> Result<(), WatchError> {
        good.register_pid(pid)?;
        lock(&self.registered).insert(pid);
        Ok(())
    }

    fn unregister_pid(&self, good: &dyn PidWatcher, pid: Pid) {
        assert!(
            lock(&self.registered).remove(&pid),
            "{pid} is not registered"
        );
        good.unregister_pid(pid);
    }
}

#[derive(Debug, Default)]
struct RegistersANumberOnce {
    registered: Mutex<HashSet<Pid>>,
}

impl WatcherFault for RegistersANumberOnce {
    fn register_pid(&self, good: &dyn PidWatcher, pid: Pid) -> Result<(), WatchError> {
        if !lock(&self.registered).insert(pid) {
            return Err(WatchError::AlreadyRegistered { pid });
        }
        good.register_pid(pid)
    }
}
