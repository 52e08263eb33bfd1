//! C16 and C18: watchers that leave something behind, or change the program around them.

use std::io;
use std::os::fd::OwnedFd;

use childwatch_core::source::{ExitSource, Token};
use childwatch_core::{ExitCallback, Pid, WatchError};
use rustix::event::{EventfdFlags, eventfd};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::source::{Good, SourceFault, over_pidfds};
use super::watcher::{WatcherFault, with};
use crate::backends::Sigchld;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause::{C16, C18};
use childwatch_ptrace_free_tests::kit::sys::traps;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "writes-to-a-number",
        fault: "To wake its thread it writes to a number that a file of its own had once.",
        breaks: Rule::Clause(C18),
        watcher: over_pidfds::<WritesToANumber>,
        fails: &[(
            "a_file_with_a_number_of_the_watchers_is_left_alone",
            Saying("written to the program's file"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "blocks-trapped-calls",
        fault: "Its thread blocks `SIGSYS`, and so has no answer to a call that is trapped.",
        breaks: Rule::Clause(C18),
        watcher: over_pidfds::<BlocksTrappedCalls>,
        fails: &[
            (
                "a_call_that_a_sandbox_traps_ends_no_thread",
                Saying("the cell ended by signal: 31"),
            ),
            ("ret-trap", Saying("the cell ended by signal: 31")),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "leaks-an-fd",
        fault: "A file descriptor outlives each watcher.",
        breaks: Rule::Clause(C16),
        watcher: with::<LeaksAnFd>,
        fails: &[
            ("full_lives_leave_nothing", InVain("now there is")),
            (
                "a_watcher_is_made_where_its_backend_is_available",
                InVain("now there is"),
            ),
        ],
        // What it leaves behind fails every case.
        passes: &[],
        ..ON_PIDFDS
    },
    Broken {
        name: "hands-an-fd-on",
        fault: "One of its file descriptors is not close-on-exec.",
        breaks: Rule::Clause(C16),
        watcher: with::<HandsAnFdOn>,
        fails: &[
            ("exec_leaks_no_fd", Saying("fds that a program inherits")),
            ("re-executes", Saying("executed with an idle watcher")),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "leaks-memory",
        fault: "Each callback leaves 64 bytes.",
        breaks: Rule::Clause(C16),
        watcher: with::<LeaksMemory>,
        fails: &[(
            "ten_thousand_cycles_leave_nothing",
            Saying("bytes more after 10000 cycles"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "leaks-memory-when-it-refuses",
        fault: "Each refusal leaves 64 bytes.",
        breaks: Rule::Clause(C16),
        watcher: over_pidfds::<LeaksMemoryWhenItRefuses>,
        fails: &[(
            "ten_thousand_refusals_leave_nothing",
            Saying("bytes more after 10000 refusals"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "sigchld-as-pidfd",
        fault: "It claims to leave handlers and masks alone, and listens to SIGCHLD.",
        breaks: Rule::Clause(C18),
        built_on: &Sigchld,
        watcher: || Sigchld.watcher(),
        fails: &[
            (
                "no_handler_and_no_mask_is_touched",
                Saying("handlers or masks have changed"),
            ),
            (
                "no_handler_is_touched_before_one_is_needed",
                Saying("for the first process"),
            ),
        ],
        ..ON_PIDFDS
    },
];

#[derive(Debug)]
struct WritesToANumber {
    bell: OwnedFd,
}

impl Default for WritesToANumber {
    fn default() -> Self {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        WritesToANumber {
            bell: bell.expect("an eventfd"),
        }
    }
}

impl SourceFault for WritesToANumber {
    fn wake<S: ExitSource>(&self, good: &Good<S>) -> io::Result<()> {
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        good.wake()
    }
}

#[derive(Debug, Default)]
struct BlocksTrappedCalls;

impl SourceFault for BlocksTrappedCalls {
    fn start<S: ExitSource>(&self, good: &Good<S>, waiter: &mut S::Waiter) {
        traps::block_trapped_calls();
        good.start(waiter);
    }
}

#[derive(Debug)]
struct LeaksAnFd;

impl Default for LeaksAnFd {
    fn default() -> Self {
        std::mem::forget(eventfd(0, EventfdFlags::CLOEXEC));
        LeaksAnFd
    }
}

impl WatcherFault for LeaksAnFd {}

#[derive(Debug)]
struct HandsAnFdOn {
    _file: OwnedFd,
}

impl Default for HandsAnFdOn {
    fn default() -> Self {
        HandsAnFdOn {
            _file: eventfd(0, EventfdFlags::empty()).expect("an eventfd"),
        }
    }
}

impl WatcherFault for HandsAnFdOn {}

fn leak_memory() {
    Box::leak(Box::new([1_u8; 64]));
}

#[derive(Debug, Default)]
struct LeaksMemory;

impl WatcherFault for LeaksMemory {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        leak_memory();
        callback
    }
}

#[derive(Debug, Default)]
struct LeaksMemoryWhenItRefuses;

impl SourceFault for LeaksMemoryWhenItRefuses {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        good.arm(pid, token).inspect_err(|_| leak_memory())
    }
}
