//! C20: watchers that signal a number, or do not say whether they have signalled anything.

use std::io;

use childwatch_core::source::{ExitSource, Token, send_signal_to_pid};
use childwatch_core::{Pid, PidWatcher, WatchError};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, FailedLaw, ON_PIDFDS, Rule};
use super::source::{Good, SourceFault, by_itself, over_pidfds, over_sigchld};
use super::watcher::{WatcherFault, with};
use crate::backends::Sigchld;
use childwatch_ptrace_free_tests::Clause::C20;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "signals-a-number",
        fault: "A signal goes to the process that has the number now.",
        breaks: Rule::Law(14),
        watcher: over_pidfds::<SignalsANumber>,
        fails: &[("no_successor_is_signalled", Saying("Ok(()) for a process"))],
        law: Some(FailedLaw {
            test: "s14_a_signal_reaches_the_armed_process_or_none",
            how: Saying("NotRegistered"),
            source: by_itself::<SignalsANumber>,
        }),
        ..ON_PIDFDS
    },
    Broken {
        name: "sends-nothing",
        fault: "No signal is sent, and the call succeeds.",
        breaks: Rule::Clause(C20),
        watcher: with::<SendsNothing>,
        fails: &[
            ("a_signal_reaches_the_registered_process", Saying("Ok(())")),
            ("a_signal_that_there_is_not_is_refused", Saying("Ok(())")),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "ignores-the-signal",
        fault: "Each signal is taken for the signal 0.",
        breaks: Rule::Clause(C20),
        watcher: with::<IgnoresTheSignal>,
        fails: &[(
            "a_signal_reaches_the_registered_process",
            InVain("the callback ran 0 times"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "calls-a-zombie-gone",
        fault: "A zombie is taken for a process that has been reaped.",
        breaks: Rule::Clause(C20),
        watcher: with::<CallsAZombieGone>,
        fails: &[(
            "a_zombie_takes_a_signal_and_a_reaped_process_none",
            Saying("for a zombie"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "calls-eperm-unsupported",
        fault: "A signal that is not permitted is said not to be offered.",
        breaks: Rule::Clause(C20),
        watcher: with::<CallsEpermUnsupported>,
        fails: &[(
            "a_signal_that_is_not_permitted_is_refused",
            Saying("Unsupported"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "needs-a-pidfd-to-signal",
        fault: "It watches children without pidfds, and signals none.",
        breaks: Rule::Clause(C20),
        built_on: &Sigchld,
        claims: &Sigchld,
        watcher: over_sigchld::<NeedsAPidfdToSignal>,
        fails: &[("a_child_is_signalled_without_pidfds", Saying("Unsupported"))],
        ..ON_PIDFDS
    },
];

fn unsupported(pid: Pid) -> WatchError {
    WatchError::Unsupported {
        operation: "pidfd_send_signal",
        pid: Some(pid),
        source: io::ErrorKind::Unsupported.into(),
    }
}

#[derive(Debug, Default)]
struct SignalsANumber;

impl SourceFault for SignalsANumber {
    fn send_signal<S: ExitSource>(
        &self,
        _good: &Good<S>,
        pid: Pid,
        _token: Token,
        signal: i32,
    ) -> Result<(), WatchError> {
        send_signal_to_pid(pid, signal).map_err(|source| WatchError::Os {
            operation: "kill",
            pid: Some(pid),
            source,
        })
    }
}

#[derive(Debug, Default)]
struct SendsNothing;

impl WatcherFault for SendsNothing {
    fn send_signal(&self, _: &dyn PidWatcher, _: Pid, _: i32) -> Result<(), WatchError> {
        Ok(())
    }
}

#[derive(Debug, Default)]
struct IgnoresTheSignal;

impl WatcherFault for IgnoresTheSignal {
    fn send_signal(&self, good: &dyn PidWatcher, pid: Pid, _: i32) -> Result<(), WatchError> {
        good.send_signal(pid, 0)
    }
}

#[derive(Debug, Default)]
struct CallsAZombieGone;

impl WatcherFault for CallsAZombieGone {
    fn send_signal(&self, good: &dyn PidWatcher, pid: Pid, signal: i32) -> Result<(), WatchError> {
        match good.try_wait(pid) {
            Ok(Some(_)) => Err(WatchError::NoSuchProcess { pid, source: None }),
            _ => good.send_signal(pid, signal),
        }
    }
}

#[derive(Debug, Default)]
struct CallsEpermUnsupported;

impl WatcherFault for CallsEpermUnsupported {
    fn send_signal(&self, good: &dyn PidWatcher, pid: Pid, signal: i32) -> Result<(), WatchError> {
        good.send_signal(pid, signal).map_err(|error| match error {
            WatchError::Os { source, .. } if source.raw_os_error() == Some(libc::EPERM) => {
                unsupported(pid)
            }
            other => other,
        })
    }
}

#[derive(Debug, Default)]
struct NeedsAPidfdToSignal;

impl SourceFault for NeedsAPidfdToSignal {
    fn send_signal<S: ExitSource>(
        &self,
        good: &Good<S>,
        pid: Pid,
        token: Token,
        signal: i32,
    ) -> Result<(), WatchError> {
        if childwatch_pidfd::probe().check().is_err() {
            return Err(unsupported(pid));
        }
        good.send_signal(pid, token, signal)
    }
}
