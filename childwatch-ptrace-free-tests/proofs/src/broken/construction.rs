//! C2: constructors.

use std::mem;
use std::thread;

use childwatch_core::source::ThreadedWatcher;
use childwatch_core::{PidWatcher, WatchError};
use childwatch_pidfd::PidfdSource;
use rustix::event::{EventfdFlags, eventfd};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use crate::backends::Pidfd;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause::C2;

type Made = Result<Box<dyn PidWatcher>, WatchError>;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "expects-to-be-made",
        fault: "A constructor that panics when the kernel refuses.",
        breaks: Rule::Clause(C2),
        watcher: expects_to_be_made,
        fails: &[
            (
                "each_call_of_the_construction_may_fail",
                Saying("a watcher can always be made"),
            ),
            (
                "construction_without_files_fails_cleanly",
                Saying("a watcher can always be made"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "expects-a-thread",
        fault: "A constructor that panics when no thread can be had.",
        breaks: Rule::Clause(C2),
        watcher: expects_a_thread,
        fails: &[(
            "construction_without_memory_for_a_thread_fails_cleanly",
            Saying("failed to spawn thread"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "skips-the-probe",
        fault: "It is made where there are no pidfds.",
        breaks: Rule::Clause(C2),
        watcher: skips_the_probe,
        fails: &[(
            "construction_without_pidfds_is_unsupported",
            Saying("where Unsupported for"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-a-shortage-for-absence",
        fault: "When pidfds are short it says that there are none.",
        breaks: Rule::Clause(C2),
        watcher: takes_a_shortage_for_absence,
        fails: &[(
            "construction_short_of_pidfds_is_a_resource_limit",
            Saying("left: (Unsupported"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-a-namespace-for-a-shortage",
        fault: "Where a process can't have threads it says that it has too many.",
        breaks: Rule::Clause(C2),
        watcher: takes_a_namespace_for_a_shortage,
        fails: &[(
            "construction_without_a_pid_namespace_for_threads_says_so",
            Saying("a limit is reached"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "leaks-when-refused",
        fault: "A constructor that fails leaves a file descriptor.",
        breaks: Rule::Clause(C2),
        watcher: leaks_when_refused,
        fails: &[(
            "construction_without_files_fails_cleanly",
            InVain("now there is"),
        )],
        ..ON_PIDFDS
    },
];

fn expects_to_be_made() -> Made {
    Ok(Pidfd.watcher().expect("a watcher can always be made"))
}

fn expects_a_thread() -> Made {
    let _ = thread::spawn(|| ()).join();
    Pidfd.watcher()
}

fn skips_the_probe() -> Made {
    let (source, waiter) = PidfdSource::new()?;
    Ok(Box::new(ThreadedWatcher::start(source, waiter)?))
}

fn takes_a_shortage_for_absence() -> Made {
    Pidfd.watcher().map_err(|error| match error {
        WatchError::ResourceLimit {
            operation,
            pid,
            source,
        } => WatchError::Unsupported {
            operation,
            pid,
            source,
        },
        other => other,
    })
}

fn leaks_when_refused() -> Made {
    let file = eventfd(0, EventfdFlags::CLOEXEC).map_err(|errno| WatchError::ResourceLimit {
        operation: "eventfd",
        pid: None,
        source: errno.into(),
    })?;
    Pidfd.watcher().inspect_err(|_| mem::forget(file))
}

fn takes_a_namespace_for_a_shortage() -> Made {
    Pidfd.watcher().map_err(|error| match error {
        WatchError::Unsupported {
            operation,
            pid,
            source,
        } => WatchError::ResourceLimit {
            operation,
            pid,
            source,
        },
        other => other,
    })
}
