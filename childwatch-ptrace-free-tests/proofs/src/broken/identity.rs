//! C13: sources that watch a number, and not a process.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::process::ExitStatus;
use std::sync::Mutex;

use childwatch_core::source::{ExitSource, Report, Token};
use childwatch_core::{Pid, WatchError};

use super::entry::Fails::Saying;
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::source::{Good, SourceFault, over_pidfds};
use childwatch_ptrace_free_tests::Clause::{C2, C13};
use childwatch_ptrace_free_tests::kit::locked::lock;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "keys-by-pid",
        fault: "An exit is remembered by its number, and told of the number's next process.",
        breaks: Rule::Clause(C13),
        watcher: over_pidfds::<KeysByPid>,
        fails: &[
            (
                "the_number_of_a_reaped_and_unregistered_process_comes_back",
                Saying("the old process's exit fired for the new one"),
            ),
            (
                "a_stale_event_fires_nothing_of_the_new_process",
                Saying("the old process's exit fired for the new one"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "loses-generations",
        fault: "A report that was in flight goes to whatever has the place of its token now.",
        breaks: Rule::Clause(C13),
        watcher: over_pidfds::<LosesGenerations>,
        fails: &[(
            "a_stale_event_fires_nothing_of_the_new_process",
            Saying("the old process's exit fired for the new one"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-none-for-reaped",
        fault: "A number's next process is taken for the one that was registered.",
        breaks: Rule::Clause(C13),
        watcher: over_pidfds::<TakesNoneForReaped>,
        fails: &[
            (
                "the_number_of_a_registered_process_comes_back",
                Saying("AlreadyRegistered"),
            ),
            (
                "a_registered_processes_number_comes_back_and_exits_again",
                Saying("the old process's exit fired for the new one"),
            ),
            (
                "a_watch_joins_the_process_and_not_the_number",
                Saying("the old process's exit fired for the new one"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-all-for-reaped",
        fault: "A registered process is taken for one whose number is free.",
        breaks: Rule::Clause(C2),
        watcher: over_pidfds::<TakesAllForReaped>,
        fails: &[
            ("the_same_pid_twice_is_refused", Saying("Ok(())")),
            (
                "of_many_at_once_one_registers",
                Saying("registered at once"),
            ),
        ],
        ..ON_PIDFDS
    },
];

#[derive(Debug, Default)]
struct KeysByPid {
    exits: Mutex<HashMap<Pid, Option<ExitStatus>>>,
    repeats: Mutex<Vec<Report>>,
}

impl SourceFault for KeysByPid {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        good.arm(pid, token)?;
        if let Some(&status) = lock(&self.exits).get(&pid) {
            lock(&self.repeats).push(Report::new(token, status));
            let _ = good.wake();
        }
        Ok(())
    }

    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        for Report { token, status, .. } in &*reports {
            if let Some(pid) = good.pid(*token) {
                lock(&self.exits).insert(pid, *status);
            }
        }
        reports.append(&mut lock(&self.repeats));
        Ok(())
    }
}

/// Each wait reports one exit, and the others stay in flight: which is no fault.
#[derive(Debug, Default)]
struct LosesGenerations {
    in_flight: Mutex<VecDeque<Report>>,
}

impl SourceFault for LosesGenerations {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        let mut in_flight = lock(&self.in_flight);
        if in_flight.is_empty() {
            let mut fresh = Vec::new();
            good.wait(waiter, &mut fresh)?;
            in_flight.extend(fresh);
        }
        if let Some(Report { token, status, .. }) = in_flight.pop_front() {
            let mut armed = good.armed().into_iter().map(|(token, _)| token);
            let in_its_place = armed.find(|armed| armed.index() == token.index());
            let token = in_its_place.unwrap_or(token);
            reports.push(Report::new(token, status));
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct TakesNoneForReaped;

impl SourceFault for TakesNoneForReaped {
    fn is_reaped<S: ExitSource>(&self, _good: &Good<S>, _token: Token) -> bool {
        false
    }
}

#[derive(Debug, Default)]
struct TakesAllForReaped;

impl SourceFault for TakesAllForReaped {
    fn is_reaped<S: ExitSource>(&self, _good: &Good<S>, _token: Token) -> bool {
        true
    }
}
