//! C18 in hosts that live under limits, or know their own threads: watchers that need what
//! such a program does not have, or keep something of it.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, Once};
use std::time::Duration;

use childwatch_core::source::{ExitSource, Report, Token, delegate_pid_watcher};
use childwatch_core::{Pid, PidWatcher, WatchError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, pidfd_open};
use rustix::thread::{NanosleepRelativeResult, nanosleep};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::source::{Good, SourceFault, over_pidfds};
use crate::backends::Pidfd;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause::C18;
use childwatch_ptrace_free_tests::kit::locked::lock;
use childwatch_ptrace_free_tests::kit::sys::{birth, signals};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "polls-before-it-looks",
        fault: "A look at a process polls a file first, which fails at a limit of 0 files.",
        breaks: Rule::Clause(C18),
        watcher: over_pidfds::<PollsBeforeItLooks>,
        fails: &[("no-more-files", Saying("the child is a zombie"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "unblocks-at-its-end",
        fault: "Its Drop unblocks a signal on the thread that calls it.",
        breaks: Rule::Clause(C18),
        watcher: || Ok(Box::new(UnblocksAtItsEnd(Pidfd.watcher()?))),
        fails: &[("takes-every-signal", Saying("the cell ended by signal: 5"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "blocks-at-its-end",
        fault: "Its Drop blocks a signal on the thread that calls it.",
        breaks: Rule::Clause(C18),
        watcher: || Ok(Box::new(BlocksAtItsEnd(Pidfd.watcher()?))),
        fails: &[("collects-stacks", InVain("each thread answers"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "shares-the-directory",
        fault: "A process of its own shares the program's working directory.",
        breaks: Rule::Clause(C18),
        watcher: || {
            // One is enough, and leaves no more behind with each watcher.
            static SHARED: Once = Once::new();
            SHARED.call_once(birth::share_the_working_directory);
            Pidfd.watcher()
        },
        fails: &[(
            "joins-a-namespace",
            Saying("after it was dropped, the program's job ends differently"),
        )],
        // It leaves the process behind.
        passes: &[],
        ..ON_PIDFDS
    },
    Broken {
        name: "looks-for-its-first-thread",
        fault: "It is not made in a process whose first thread has ended.",
        breaks: Rule::Clause(C18),
        watcher: || {
            fs::read_link("/proc/self/exe").map_err(|source| WatchError::Os {
                operation: "reading /proc/self/exe",
                pid: None,
                source,
            })?;
            Pidfd.watcher()
        },
        fails: &[("first-thread-ends", Saying("reading /proc/self/exe"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "gives-up-at-an-interruption",
        fault: "A registration waits a little, and is refused if a signal comes meanwhile.",
        breaks: Rule::Clause(C18),
        watcher: over_pidfds::<GivesUpAtAnInterruption>,
        fails: &[("ticks", Saying("Interrupted"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "trusts-a-number",
        fault: "A look takes whatever has the number of its pidfd for the pidfd.",
        breaks: Rule::Clause(C18),
        watcher: over_pidfds::<TrustsANumber>,
        fails: &[(
            "descriptors-apart",
            Saying("a child is found dead that lives"),
        )],
        ..ON_PIDFDS
    },
];

#[derive(Debug, Default)]
struct PollsBeforeItLooks;

impl SourceFault for PollsBeforeItLooks {
    fn look<S: ExitSource>(&self, good: &Good<S>, token: Token) -> Option<Report> {
        let errors = io::stderr();
        let mut fds = [PollFd::new(&errors, PollFlags::OUT)];
        poll(&mut fds, Some(&Timespec::default())).ok()?;
        good.look(token)
    }
}

#[derive(Debug)]
struct UnblocksAtItsEnd(Box<dyn PidWatcher>);

delegate_pid_watcher!(impl for UnblocksAtItsEnd, |this| this.0);

impl Drop for UnblocksAtItsEnd {
    fn drop(&mut self) {
        signals::unblock(libc::SIGTRAP);
    }
}

#[derive(Debug)]
struct BlocksAtItsEnd(Box<dyn PidWatcher>);

delegate_pid_watcher!(impl for BlocksAtItsEnd, |this| this.0);

impl Drop for BlocksAtItsEnd {
    fn drop(&mut self) {
        signals::block(libc::SIGUSR2);
    }
}

#[derive(Debug, Default)]
struct GivesUpAtAnInterruption;

impl SourceFault for GivesUpAtAnInterruption {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        const A_LITTLE: Duration = Duration::from_millis(2);
        match nanosleep(&Timespec::try_from(A_LITTLE).expect("a short time")) {
            NanosleepRelativeResult::Ok => good.arm(pid, token),
            _ => Err(WatchError::Os {
                operation: "waiting a little",
                pid: Some(pid),
                source: io::ErrorKind::Interrupted.into(),
            }),
        }
    }
}

#[derive(Debug, Default)]
struct TrustsANumber(Mutex<HashMap<Token, OwnedFd>>);

impl SourceFault for TrustsANumber {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        good.arm(pid, token)?;
        let number = rustix::process::Pid::from_raw(pid.as_raw()).expect("a pid");
        if let Ok(pidfd) = pidfd_open(number, PidfdFlags::empty()) {
            lock(&self.0).insert(token, pidfd);
        }
        Ok(())
    }

    fn disarm<S: ExitSource>(&self, good: &Good<S>, token: Token) {
        lock(&self.0).remove(&token);
        good.disarm(token);
    }

    fn look<S: ExitSource>(&self, good: &Good<S>, token: Token) -> Option<Report> {
        let pidfds = lock(&self.0);
        let mut fds = [PollFd::new(pidfds.get(&token)?, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default()))
            .ok()
            .filter(|ready| *ready > 0)?;
        let guess = Report::new(token, None);
        Some(good.look(token).unwrap_or(guess))
    }
}
