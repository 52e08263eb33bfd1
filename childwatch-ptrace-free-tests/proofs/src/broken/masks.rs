//! C4 and C18: watchers whose threads block the wrong signals.

use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use childwatch_core::{ExitCallback, Pid};

use super::entry::Fails::Saying;
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::watcher::{WatcherFault, with};
use childwatch_ptrace_free_tests::Clause::{C4, C18};
use childwatch_ptrace_free_tests::kit::sys::signals::{self, Blocked};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "keeps-signals-blocked",
        fault: "Callbacks run with every signal blocked.",
        breaks: Rule::Clause(C4),
        watcher: with::<KeepsSignalsBlocked>,
        fails: &[
            (
                "a_child_that_a_callback_starts_has_an_ordinary_mask",
                Saying("the mask of a child that a callback started"),
            ),
            (
                "a_thread_that_a_callback_starts_has_an_ordinary_mask",
                Saying("the mask in a callback"),
            ),
            (
                "a_signal_for_the_watchers_thread_takes_effect_in_a_callback",
                Saying("the mask in a callback"),
            ),
            (
                "a_signal_raised_in_a_callback_takes_effect_there",
                Saying("handlers run by a signal raised in a callback"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-the-signal-first",
        fault: "Callbacks run with SIGCHLD unblocked, also if the program blocks it.",
        breaks: Rule::Clause(C18),
        watcher: with::<TakesTheSignalFirst>,
        fails: &[(
            "blocks-later",
            Saying("with an idle watcher, the program's job ends differently"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "blocks-faults",
        fault: "Callbacks run with SIGSEGV blocked.",
        breaks: Rule::Clause(C4),
        watcher: with::<BlocksFaults>,
        fails: &[
            (
                "a_fault_in_a_callback_reaches_its_handler",
                Saying("the cell ended by signal: 11"),
            ),
            ("sigsegv-recovers", Saying("the cell ended by signal: 11")),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "has-a-deaf-thread",
        fault: "A second thread of its own blocks every signal.",
        breaks: Rule::Clause(C4),
        watcher: with::<HasADeafThread>,
        fails: &[(
            "no_thread_blocks_what_faults_raise",
            Saying("a thread blocks"),
        )],
        ..ON_PIDFDS
    },
];

#[derive(Debug, Default)]
struct KeepsSignalsBlocked;

impl WatcherFault for KeepsSignalsBlocked {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        Box::new(move |exit| {
            let faults = signals::SYNCHRONOUS_SIGNALS;
            let _blocked = Blocked::signals((1..=64).filter(|signal| !faults.contains(signal)));
            callback(exit);
        })
    }
}

#[derive(Debug, Default)]
struct TakesTheSignalFirst;

impl WatcherFault for TakesTheSignalFirst {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        Box::new(move |exit| {
            signals::unblock_sigchld();
            callback(exit);
        })
    }
}

#[derive(Debug, Default)]
struct BlocksFaults;

impl WatcherFault for BlocksFaults {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        Box::new(move |exit| {
            let _blocked = Blocked::signals([libc::SIGSEGV]);
            callback(exit);
        })
    }
}

#[derive(Debug)]
struct HasADeafThread {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Default for HasADeafThread {
    fn default() -> Self {
        let (end, ended) = mpsc::channel::<()>();
        let _blocked = Blocked::signals(1..=64);
        let thread = thread::spawn(move || {
            let _ = ended.recv();
        });
        HasADeafThread {
            end: Some(end),
            thread: Some(thread),
        }
    }
}

impl WatcherFault for HasADeafThread {}

impl Drop for HasADeafThread {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
