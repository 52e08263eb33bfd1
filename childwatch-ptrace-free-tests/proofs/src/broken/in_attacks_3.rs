//! C18 in a host whose handler must not run at times: a watcher on whose thread it runs.

use std::sync::Once;
use std::thread;

use super::entry::Fails::Saying;
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::hosts::leave_a_thread;
use crate::backends::Pidfd;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause::C18;
use childwatch_ptrace_free_tests::kit::sys::signals;

pub(super) const ALL: &[Broken] = &[Broken {
    name: "runs-the-programs-handler",
    fault: "A thread of its own lets SIGCHLD through all the time.",
    breaks: Rule::Clause(C18),
    watcher: || {
        // One is enough, and leaves no more behind with each watcher.
        static STARTED: Once = Once::new();
        STARTED.call_once(|| leave_a_thread(signals::unblock_sigchld, thread::park));
        Pidfd.watcher()
    },
    fails: &[("calls-system", Saying("the program's job ends differently"))],
    // It leaves the thread behind.
    passes: &[],
    ..ON_PIDFDS
}];
