//! C18 in hosts that live at the edge of what a program may do: watchers that lose a file,
//! leave a thread, or block a signal there.

use std::fs::{self, File};
use std::io;
use std::mem;
use std::os::fd::{IntoRawFd, RawFd};
use std::process::{Child, Command};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use childwatch_core::source::{ExitSource, Report, delegate_pid_watcher};
use childwatch_core::{PidWatcher, WatchError};

use super::entry::Fails::{ByHanging, InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::hosts::{beside_a_thread, leave_a_thread};
use super::source::{Good, SourceFault, over_pidfds};
use crate::backends::Pidfd;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause::C18;
use childwatch_ptrace_free_tests::Feature;
use childwatch_ptrace_free_tests::kit::sys::receive;
use childwatch_ptrace_free_tests::kit::sys::signals::{self, SigchldAction};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "sleeps-as-the-program-does",
        fault: "A thread of its own unblocks SIGCHLD while it sleeps.",
        breaks: Rule::Clause(C18),
        watcher: sleeps_as_the_program_does,
        // Its thread may fall asleep only after the first moments.
        fails: &[(
            "sigsuspend-loop",
            Saying("the program's job ends differently"),
        )],
        passes: &[],
        ..ON_PIDFDS
    },
    Broken {
        name: "chains-at-once",
        fault: "It installs a handler when it is made, and calls the one that it found.",
        breaks: Rule::Clause(C18),
        watcher: || {
            receive::count_through_signal_hook();
            Pidfd.watcher()
        },
        fails: &[
            ("installs-again", Saying("has overflowed its stack")),
            ("cancels-threads", Saying("the cell ended by signal: 6")),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "lives-in-a-stream",
        fault: "Its file may have the number of a standard stream.",
        breaks: Rule::Clause(C18),
        watcher: over_pidfds::<LivesInAStream>,
        fails: &[("without-streams", InVain("the callback ran 0 times"))],
        // It leaves the file behind.
        passes: &[],
        ..ON_PIDFDS
    },
    Broken {
        name: "outlives-its-drop",
        fault: "A thread of its own is still ending when its Drop returns.",
        breaks: Rule::Clause(C18),
        watcher: || Ok(Box::new(OutlivesItsDrop(Pidfd.watcher()?))),
        fails: &[(
            "one-thread",
            Saying("after it was dropped, the program's job ends differently"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "ends-at-an-interruption",
        fault: "When a wait is interrupted, it reports nothing any more.",
        breaks: Rule::Clause(C18),
        watcher: over_pidfds::<EndsAtAnInterruption>,
        fails: &[("stopped", InVain("the callback ran 0 times"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "blocks-the-librarys-signals",
        fault: "A thread of its own blocks the signals that the C library keeps to itself.",
        breaks: Rule::Clause(C18),
        watcher: blocks_the_librarys_signals,
        fails: &[("changes-user", ByHanging)],
        // The thread that it leaves behind fails every case.
        passes: &[],
        ..ON_PIDFDS
    },
    Broken {
        name: "keeps-a-thread",
        fault: "A thread that the first one starts lives on for later ones.",
        breaks: Rule::Clause(C18),
        watcher: keeps_a_thread,
        fails: &[
            ("keeps-capabilities", Saying("the cell ended by signal: 6")),
            ("ends-its-thread", InVain("the copy did not end")),
        ],
        // The thread that it leaves behind fails every case.
        passes: &[],
        ..ON_PIDFDS
    },
    Broken {
        name: "does-not-answer",
        fault: "Its thread blocks SIGSYS.",
        breaks: Rule::Clause(C18),
        watcher: over_pidfds::<DoesNotAnswer>,
        fails: &[("asks-all-threads", InVain("each thread answers"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "uses-the-stack-that-it-finds",
        fault: "Its handler runs on the stack of the thread that is interrupted.",
        breaks: Rule::Clause(C18),
        watcher: || {
            mem::forget(SigchldAction::counted());
            Pidfd.watcher()
        },
        fails: &[("small-stacks", Saying("the cell ended by signal: 11"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "stays-on-alternate-stacks",
        fault: "Its handler runs on alternate stacks, also while the program exits.",
        breaks: Rule::Clause(C18),
        watcher: || {
            mem::forget(SigchldAction::spoiling_errno());
            Pidfd.watcher()
        },
        // A std that leaves the stack in place (after Rust 1.95) hides this fault. So does
        // something that is mapped in the stack's place, at some of the moments.
        fails: &[("exits-aside", Saying(": signal: 11"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "spoils-errno",
        fault: "Its handler makes a call that fails, and leaves the error to the program.",
        breaks: Rule::Clause(C18),
        watcher: || {
            mem::forget(SigchldAction::spoiling_errno());
            Pidfd.watcher()
        },
        fails: &[(
            "keeps-errno",
            Saying("with an idle watcher, the program's job ends differently"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "spawns-aside",
        fault: "It starts children on a thread that ends at once.",
        breaks: Rule::Clause(C18),
        claims: &SpawnsAside,
        fails: &[(
            "dies-with-its-parent",
            Saying("the actor ended instead of answering"),
        )],
        ..ON_PIDFDS
    },
];

fn sleeps_as_the_program_does() -> Result<Box<dyn PidWatcher>, WatchError> {
    const LONG: Duration = Duration::from_secs(3600);
    leave_a_thread(signals::block_sigchld, || {
        receive::is_interrupted_within(LONG);
    });
    Pidfd.watcher()
}

/// The number of a file that it needs.
#[derive(Debug)]
struct LivesInAStream(RawFd);

const NEEDED: &str = "/dev/zero";

impl Default for LivesInAStream {
    fn default() -> Self {
        LivesInAStream(File::open(NEEDED).expect("/dev/zero").into_raw_fd())
    }
}

impl SourceFault for LivesInAStream {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        let target = fs::read_link(format!("/proc/self/fd/{}", self.0));
        if !target.is_ok_and(|target| target.as_os_str() == NEEDED) {
            reports.clear();
        }
        Ok(())
    }
}

#[derive(Debug)]
struct OutlivesItsDrop(Box<dyn PidWatcher>);

delegate_pid_watcher!(impl for OutlivesItsDrop, |this| this.0);

impl Drop for OutlivesItsDrop {
    fn drop(&mut self) {
        const A_WHILE: Duration = Duration::from_millis(20);
        thread::spawn(|| thread::park_timeout(A_WHILE));
    }
}

#[derive(Debug, Default)]
struct EndsAtAnInterruption {
    has_ended: AtomicBool,
}

impl SourceFault for EndsAtAnInterruption {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        let waited = good.wait(waiter, reports);
        if matches!(&waited, Err(error) if error.kind() == io::ErrorKind::Interrupted) {
            self.has_ended.store(true, Ordering::SeqCst);
        }
        if self.has_ended.load(Ordering::SeqCst) {
            reports.clear();
        }
        waited
    }
}

fn blocks_the_librarys_signals() -> Result<Box<dyn PidWatcher>, WatchError> {
    beside_a_thread(signals::block_every_signal)
}

fn keeps_a_thread() -> Result<Box<dyn PidWatcher>, WatchError> {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| leave_a_thread(signals::block_sigchld, thread::park));
    Pidfd.watcher()
}

#[derive(Debug, Default)]
struct DoesNotAnswer;

impl SourceFault for DoesNotAnswer {
    fn start<S: ExitSource>(&self, good: &Good<S>, waiter: &mut S::Waiter) {
        signals::block(libc::SIGSYS);
        good.start(waiter);
    }
}

#[derive(Debug)]
struct SpawnsAside;

impl BackendUnderTest for SpawnsAside {
    fn name(&self) -> &'static str {
        "spawns-aside"
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        Pidfd.watcher()
    }

    fn is_available(&self) -> Result<(), String> {
        Pidfd.is_available()
    }

    fn offers(&self, feature: Feature) -> Result<(), String> {
        Pidfd.offers(feature)
    }

    fn spawn_watchable(
        &self,
        watcher: &dyn PidWatcher,
        command: &mut Command,
    ) -> io::Result<Child> {
        thread::scope(|scope| {
            let aside = scope.spawn(|| Pidfd.spawn_watchable(watcher, command));
            aside.join().expect("the thread has spawned")
        })
    }
}
