//! C18 in hosts: watchers that take something from a program, or change something in it.

use std::mem;

use childwatch_core::{PidWatcher, WatchError};

use super::entry::Fails::Saying;
use super::entry::{Broken, ON_PIDFDS, Rule};
use crate::backends::Pidfd;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause::C18;
use childwatch_ptrace_free_tests::kit::sys::signals::{self, SigchldAction};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "restores-the-default-action",
        fault: "It sets SIGCHLD to its default action.",
        breaks: Rule::Clause(C18),
        watcher: || {
            mem::forget(SigchldAction::default_action());
            Pidfd.watcher()
        },
        fails: &[
            (
                "sigchld-ignored",
                Saying("with an idle watcher, the program's job ends differently"),
            ),
            (
                "ignored-passed-on",
                Saying("with an idle watcher, the program's job ends differently"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "unblocks-for-its-maker",
        fault: "It lets SIGCHLD through on the thread that makes it.",
        breaks: Rule::Clause(C18),
        watcher: unblocks_for_its_maker,
        fails: &[(
            "sigchld-blocked",
            Saying("with an idle watcher, the program's job ends differently"),
        )],
        ..ON_PIDFDS
    },
];

fn unblocks_for_its_maker() -> Result<Box<dyn PidWatcher>, WatchError> {
    signals::unblock_sigchld();
    Pidfd.watcher()
}
