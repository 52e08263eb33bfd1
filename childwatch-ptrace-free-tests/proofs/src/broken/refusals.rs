//! C1 and C2: watchers that refuse what they should not, do not refuse what they
//! should, or do it in the wrong words.

use std::fs;
use std::io;
use std::mem;
use std::sync::{Mutex, OnceLock};
use std::thread;

use childwatch_core::source::{ExitSource, Token};
use childwatch_core::{ExitCallback, Pid, PidWatcher, WatchError, WatchHandle};
use rustix::io::Errno;

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::source::{Good, SourceFault, over_pidfds};
use super::watcher::{Shared, WatcherFault, with};
use crate::backends::{Pidfd, Sigchld};
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause::{C1, C2, C17};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "refuses-strangers",
        fault: "It can watch any process, and refuses those that are no children.",
        breaks: Rule::Clause(C1),
        watcher: over_pidfds::<RefusesStrangers>,
        fails: &[("a_process_that_is_no_child", Saying("NotAChild"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "pidfd-as-sigchld",
        fault: "It claims to refuse strangers and to need no pidfds, and does neither.",
        breaks: Rule::Clause(C2),
        claims: &Sigchld,
        watcher: || Pidfd.watcher(),
        fails: &[
            ("a_process_that_is_no_child_is_refused", Saying("Ok(())")),
            ("a_filter_set_up_later_hides_no_exit", Saying("Unsupported")),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "watches-itself",
        fault: "It accepts the process that it lives in.",
        breaks: Rule::Clause(C2),
        watcher: over_pidfds::<WatchesItself>,
        fails: &[("the_own_process_is_refused", Saying("Ok(())"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-itself-for-a-stranger",
        fault: "It refuses the process that it lives in as one that is no child.",
        breaks: Rule::Clause(C2),
        watcher: over_pidfds::<TakesItselfForAStranger>,
        fails: &[("the_own_process_is_refused", Saying("NotAChild"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-a-thread-for-its-process",
        fault: "A thread's id is taken for its process's.",
        breaks: Rule::Clause(C2),
        watcher: over_pidfds::<TakesAThreadForItsProcess>,
        fails: &[("a_threads_id_is_refused", Saying("OwnProcess"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "misnames-a-shortage",
        fault: "When file descriptors run out it says that there is no such process.",
        breaks: Rule::Clause(C2),
        watcher: over_pidfds::<MisnamesAShortage>,
        fails: &[
            (
                "out_of_files_at_the_nth_registration",
                Saying("NoSuchProcess"),
            ),
            ("a_refused_spawn_leaves_nothing", Saying("NoSuchProcess")),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "latches-a-shortage",
        fault: "After one shortage it refuses every process.",
        breaks: Rule::Clause(C2),
        watcher: over_pidfds::<LatchesAShortage>,
        fails: &[
            (
                "out_of_files_at_the_nth_registration",
                Saying("`Result::unwrap()` on an `Err` value: ResourceLimit"),
            ),
            (
                "a_shortage_is_told_and_not_latched",
                Saying("`Result::unwrap()` on an `Err` value: ResourceLimit"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "latches-an-absence",
        fault: "After one process that the kernel would not wait for it refuses every one.",
        breaks: Rule::Clause(C2),
        watcher: over_pidfds::<LatchesAnAbsence>,
        fails: &[(
            "a_refusal_to_wait_for_pidfds_is_not_latched",
            Saying("`Result::unwrap()` on an `Err` value: Unsupported"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "misnames-a-filter",
        fault: "Whatever the kernel refuses, it says that there is no such process.",
        breaks: Rule::Clause(C2),
        watcher: over_pidfds::<MisnamesAFilter>,
        fails: &[(
            "a_filter_set_up_later_refuses_only_new_processes",
            Saying("NoSuchProcess"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "registers-unasked",
        fault: "A callback for what is not registered registers it.",
        breaks: Rule::Clause(C2),
        watcher: with::<RegistersUnasked>,
        fails: &[
            (
                "a_callback_without_a_registration_is_refused",
                Saying("Ok(WatchHandle"),
            ),
            (
                "unregister_pid_keeps_callbacks_and_refuses_new_ones",
                Saying("Ok(WatchHandle"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "keeps-refused-callbacks",
        fault: "A callback that is refused is never dropped.",
        breaks: Rule::Clause(C2),
        watcher: with::<KeepsRefusedCallbacks>,
        fails: &[
            (
                "an_unused_number_is_refused",
                Saying("captures_are_dropped()"),
            ),
            (
                "a_callback_without_a_registration_is_refused",
                Saying("captures_are_dropped()"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "unregisters-when-it-refuses",
        fault: "A refused `register_pid` ends the registration that the number had.",
        breaks: Rule::Clause(C2),
        watcher: with::<UnregistersWhenItRefuses>,
        fails: &[(
            "a_refusal_leaves_the_reaped_process_registered",
            Saying("NotRegistered"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "refuses-while-busy",
        fault: "A call that comes during another fails.",
        breaks: Rule::Clause(C17),
        watcher: with::<RefusesWhileBusy>,
        fails: &[("many_threads_at_once", Saying("WouldBlock"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "accepts-in-a-shortage",
        fault: "A process that cannot be armed for want of resources is accepted, and not watched.",
        breaks: Rule::Clause(C2),
        watcher: over_pidfds::<AcceptsInAShortage>,
        fails: &[(
            "a_shortage_is_told_and_not_latched",
            InVain("the callback ran 0 times"),
        )],
        ..ON_PIDFDS
    },
];

#[derive(Debug, Default)]
struct RefusesStrangers;

impl SourceFault for RefusesStrangers {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        let own = std::process::id().to_string();
        if status_field(pid, "PPid:") != Some(own) {
            return Err(WatchError::NotAChild { pid, source: None });
        }
        good.arm(pid, token)
    }
}

#[derive(Debug, Default)]
struct WatchesItself;

impl SourceFault for WatchesItself {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        if pid.as_raw().unsigned_abs() == std::process::id() {
            return Ok(());
        }
        good.arm(pid, token)
    }
}

#[derive(Debug, Default)]
struct TakesItselfForAStranger;

impl SourceFault for TakesItselfForAStranger {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        match good.arm(pid, token) {
            Err(WatchError::OwnProcess { pid }) => Err(WatchError::NotAChild { pid, source: None }),
            answer => answer,
        }
    }
}

#[derive(Debug, Default)]
struct TakesAThreadForItsProcess;

impl SourceFault for TakesAThreadForItsProcess {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        let group = status_field(pid, "Tgid:").and_then(|group| group.parse().ok());
        good.arm(group.unwrap_or(pid), token)
    }
}

/// A field of what the kernel shows of a process, or of a thread.
fn status_field(pid: Pid, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(field.trim().to_owned())
}

#[derive(Debug, Default)]
struct MisnamesAShortage;

impl SourceFault for MisnamesAShortage {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        good.arm(pid, token).map_err(|error| match error {
            WatchError::ResourceLimit { .. } => WatchError::NoSuchProcess { pid, source: None },
            other => other,
        })
    }
}

#[derive(Debug, Default)]
struct LatchesAShortage {
    errno: OnceLock<Errno>,
}

impl SourceFault for LatchesAShortage {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        if let Some(errno) = self.errno.get() {
            return Err(WatchError::ResourceLimit {
                operation: "a shortage that was there once",
                pid: Some(pid),
                source: (*errno).into(),
            });
        }
        good.arm(pid, token).inspect_err(|error| {
            if let WatchError::ResourceLimit { source, .. } = error {
                Errno::from_io_error(source).map(|errno| self.errno.set(errno));
            }
        })
    }
}

#[derive(Debug, Default)]
struct LatchesAnAbsence {
    errno: OnceLock<Errno>,
}

impl SourceFault for LatchesAnAbsence {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        if let Some(errno) = self.errno.get() {
            return Err(WatchError::Unsupported {
                operation: "a refusal that was there once",
                pid: Some(pid),
                source: (*errno).into(),
            });
        }
        good.arm(pid, token).inspect_err(|error| {
            if let WatchError::Unsupported { source, .. } = error {
                Errno::from_io_error(source).map(|errno| self.errno.set(errno));
            }
        })
    }
}

#[derive(Debug, Default)]
struct MisnamesAFilter;

impl SourceFault for MisnamesAFilter {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        good.arm(pid, token).map_err(|error| match error {
            WatchError::Unsupported { .. } => WatchError::NoSuchProcess { pid, source: None },
            other => other,
        })
    }
}

#[derive(Debug, Default)]
struct RegistersUnasked;

impl WatcherFault for RegistersUnasked {
    fn register_callback(
        &self,
        good: &dyn PidWatcher,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        good.watch(pid, callback)
    }
}

#[derive(Debug, Default)]
struct KeepsRefusedCallbacks;

impl WatcherFault for KeepsRefusedCallbacks {
    fn add(
        &self,
        _pid: Pid,
        callback: ExitCallback,
        good: &dyn Fn(ExitCallback) -> Result<WatchHandle, WatchError>,
    ) -> Result<WatchHandle, WatchError> {
        let kept = Shared::new(callback);
        let added = good(kept.callback());
        if added.is_err() {
            mem::forget(kept);
        }
        added
    }
}

#[derive(Debug, Default)]
struct UnregistersWhenItRefuses;

impl WatcherFault for UnregistersWhenItRefuses {
    fn register_pid(&self, good: &dyn PidWatcher, pid: Pid) -> Result<(), WatchError> {
        good.register_pid(pid)
            .inspect_err(|_| good.unregister_pid(pid))
    }
}

#[derive(Debug, Default)]
struct RefusesWhileBusy {
    busy: Mutex<()>,
}

impl WatcherFault for RefusesWhileBusy {
    fn register_pid(&self, good: &dyn PidWatcher, pid: Pid) -> Result<(), WatchError> {
        let Ok(_busy) = self.busy.try_lock() else {
            return Err(WatchError::Os {
                operation: "another call is under way",
                pid: Some(pid),
                source: io::ErrorKind::WouldBlock.into(),
            });
        };
        // So that on one core, too, another call comes meanwhile.
        thread::yield_now();
        good.register_pid(pid)
    }
}

#[derive(Debug, Default)]
struct AcceptsInAShortage;

impl SourceFault for AcceptsInAShortage {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        match good.arm(pid, token) {
            Err(WatchError::ResourceLimit { .. }) => Ok(()),
            armed => armed,
        }
    }
}
