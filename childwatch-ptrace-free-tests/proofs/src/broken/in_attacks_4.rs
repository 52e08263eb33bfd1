//! C18 in hosts that end threads and themselves in odd places, or have a terminal: watchers
//! that meddle there.

use std::mem;
use std::sync::Once;
use std::thread;
use std::time::Duration;

use childwatch_core::PidWatcher;
use childwatch_core::source::delegate_pid_watcher;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::hosts::leave_a_thread;
use crate::backends::Pidfd;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause::C18;
use childwatch_ptrace_free_tests::kit::sys::endings;
use childwatch_ptrace_free_tests::kit::sys::signals::{self, CountedSignal};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "decides-the-exit-code",
        fault: "An exit handler of its own ends the process with code 0.",
        breaks: Rule::Clause(C18),
        watcher: || {
            endings::exit_with_0();
            Pidfd.watcher()
        },
        fails: &[(
            "exits-in-a-callback",
            Saying("in a callback: exit status: 0"),
        )],
        // No exit of its process fails.
        passes: &[],
        ..ON_PIDFDS
    },
    Broken {
        name: "asks-std-for-its-thread",
        fault: "Its Drop asks std for the calling thread.",
        breaks: Rule::Clause(C18),
        watcher: || Ok(Box::new(AsksStdForItsThread(Pidfd.watcher()?))),
        fails: &[(
            "ends-in-destructors",
            Saying("use of std::thread::current() is not possible"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "handles-on-alternate-stacks",
        fault: "It installs a handler of SIGCHLD with SA_ONSTACK, though pidfds need none.",
        breaks: Rule::Clause(C18),
        watcher: || {
            mem::forget(CountedSignal::new(libc::SIGCHLD));
            signals::change_sigchld_flags(|flags| flags | libc::SA_ONSTACK);
            Pidfd.watcher()
        },
        fails: &[
            (
                "small-alternate-stacks",
                Saying("the cell ended by signal: 11"),
            ),
            (
                "suspends-handlers",
                Saying("the program's job ends differently"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "handles-where-it-interrupts",
        fault: "It installs a handler of SIGCHLD without SA_ONSTACK, though pidfds need none.",
        breaks: Rule::Clause(C18),
        watcher: || {
            mem::forget(CountedSignal::new(libc::SIGCHLD));
            signals::change_sigchld_flags(|flags| flags & !libc::SA_ONSTACK);
            Pidfd.watcher()
        },
        fails: &[
            ("small-stacks-alone", Saying("the cell ended by signal: 11")),
            (
                "writes-at-once",
                Saying("the program's job ends differently"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-the-stops-of-jobs",
        fault: "A thread of its own waits for the stops of all children.",
        breaks: Rule::Clause(C18),
        watcher: || {
            // One is enough, and leaves no more behind with each watcher.
            static STARTED: Once = Once::new();
            STARTED.call_once(|| leave_a_thread(|| {}, take_a_stop));
            Pidfd.watcher()
        },
        fails: &[("job-control", InVain("the shell hears of a job's stop"))],
        // It leaves the thread behind.
        passes: &[],
        ..ON_PIDFDS
    },
];

#[derive(Debug)]
struct AsksStdForItsThread(Box<dyn PidWatcher>);

delegate_pid_watcher!(impl for AsksStdForItsThread, |this| this.0);

impl Drop for AsksStdForItsThread {
    fn drop(&mut self) {
        let _ = thread::current().id();
    }
}

fn take_a_stop() {
    if waitid(WaitId::All, WaitIdOptions::STOPPED).is_err() {
        // There is no child.
        thread::park_timeout(Duration::from_micros(100));
    }
}
