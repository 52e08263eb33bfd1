//! C1, C2 and C3: watchers that do not find by a poll what there is, or find too much.

use childwatch_core::source::{ExitSource, Report, Token};
use childwatch_core::{Exit, Pid, PidWatcher, WatchError};
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::entry::Fails::Saying;
use super::entry::{Broken, FailedLaw, ON_PIDFDS, Rule};
use super::source::{Good, SourceFault, by_itself, over_pidfds};
use super::watcher::{WatcherFault, with};
use childwatch_ptrace_free_tests::Clause::{C1, C2, C3};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "polls-blindly",
        fault: "A poll finds only what a callback has been told before.",
        breaks: Rule::Clause(C1),
        watcher: with::<PollsBlindly>,
        fails: &[(
            "each_poll_finds_a_zombie",
            Saying("a poll finds the zombie"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "finds-too-early",
        fault: "A poll says of a live process that it has exited.",
        breaks: Rule::Clause(C3),
        watcher: with::<FindsTooEarly>,
        fails: &[(
            "no_poll_finds_a_live_child",
            Saying("a poll says that a live child has exited"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "registers-what-it-polls",
        fault: "A poll registers the process, and leaves it so.",
        breaks: Rule::Clause(C1),
        watcher: with::<RegistersWhatItPolls>,
        fails: &[(
            "a_poll_leaves_nothing",
            Saying("a poll has registered the pid"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "invents-what-it-polls",
        fault: "A poll says of a process that is gone that it has exited.",
        breaks: Rule::Clause(C2),
        watcher: with::<InventsWhatItPolls>,
        fails: &[(
            "a_poll_finds_what_was_reaped_only_if_it_is_registered",
            Saying("of a process that is gone"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "looks-away",
        fault: "A look at a process finds nothing.",
        breaks: Rule::Law(8),
        watcher: over_pidfds::<LooksAway>,
        fails: &[(
            "each_poll_finds_a_zombie",
            Saying("a poll finds the zombie"),
        )],
        law: Some(FailedLaw {
            test: "s8_a_look_finds_an_exit_and_leaves_its_report",
            how: Saying("`None` value"),
            source: by_itself::<LooksAway>,
        }),
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-a-stranger-for-dead",
        fault: "A look takes a process that is no child for one that has been reaped.",
        breaks: Rule::Law(8),
        watcher: over_pidfds::<TakesAStrangerForDead>,
        fails: &[(
            "no_poll_finds_a_live_process_that_is_no_child",
            Saying("a poll says that a live process has exited"),
        )],
        ..ON_PIDFDS
    },
];

#[derive(Debug, Default)]
struct PollsBlindly;

impl WatcherFault for PollsBlindly {
    fn try_wait(&self, _good: &dyn PidWatcher, _pid: Pid) -> Result<Option<Exit>, WatchError> {
        Ok(None)
    }
}

#[derive(Debug, Default)]
struct FindsTooEarly;

impl WatcherFault for FindsTooEarly {
    fn try_wait(&self, good: &dyn PidWatcher, pid: Pid) -> Result<Option<Exit>, WatchError> {
        let found = good.try_wait(pid)?;
        Ok(Some(found.unwrap_or(Exit::new(pid, None))))
    }
}

#[derive(Debug, Default)]
struct RegistersWhatItPolls;

impl WatcherFault for RegistersWhatItPolls {
    fn try_wait(&self, good: &dyn PidWatcher, pid: Pid) -> Result<Option<Exit>, WatchError> {
        match good.register_pid(pid) {
            Ok(()) | Err(WatchError::AlreadyRegistered { .. }) => good.try_wait(pid),
            Err(error) => Err(error),
        }
    }
}

#[derive(Debug, Default)]
struct InventsWhatItPolls;

impl WatcherFault for InventsWhatItPolls {
    fn try_wait(&self, good: &dyn PidWatcher, pid: Pid) -> Result<Option<Exit>, WatchError> {
        match good.try_wait(pid) {
            Err(WatchError::NoSuchProcess { .. }) => Ok(Some(Exit::new(pid, None))),
            truth => truth,
        }
    }
}

#[derive(Debug, Default)]
struct LooksAway;

impl SourceFault for LooksAway {
    fn look<S: ExitSource>(&self, _good: &Good<S>, _token: Token) -> Option<Report> {
        None
    }
}

#[derive(Debug, Default)]
struct TakesAStrangerForDead;

impl SourceFault for TakesAStrangerForDead {
    fn look<S: ExitSource>(&self, good: &Good<S>, token: Token) -> Option<Report> {
        let number = rustix::process::Pid::from_raw(good.pid(token)?.as_raw())?;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(number), options) {
            Err(Errno::CHILD) => Some(Report::new(token, None)),
            _ => good.look(token),
        }
    }
}
