//! C3 and C14: sources that look at what is no exit, or not at what is one.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::sync::Mutex;

use childwatch_core::source::{ExitSource, Report, Token};
use childwatch_core::{Pid, WatchError};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::source::{Good, SourceFault, over_pidfds};
use childwatch_ptrace_free_tests::Clause::{C3, C14};
use childwatch_ptrace_free_tests::kit::locked::lock;
use childwatch_ptrace_free_tests::kit::sys::death;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "trusts-proc",
        fault: "It looks at all processes, and takes the state Z in /proc for an exit: \
                a tracer's zombie, or a first thread that ended before others.",
        breaks: Rule::Clause(C14),
        watcher: over_pidfds::<TrustsProc>,
        fails: &[
            (
                "the_leader_exits_and_a_thread_lives",
                Saying("told while it lives"),
            ),
            (
                "a_process_whose_leader_left_first_is_told_truly",
                Saying("told while it lives"),
            ),
            (
                "a_tracers_zombie_is_told_when_waitable",
                InVain("death::is_waitable(pid)"),
            ),
            (
                "a_tracers_zombie_that_the_kernel_reaps_is_told_truly",
                Saying("told while its tracer held it"),
            ),
            ("of_ten_thousand_one_exits", Saying("of processor time")),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-stops-for-exits",
        fault: "What `waitid` tells of a stop is taken for an exit.",
        breaks: Rule::Clause(C14),
        watcher: over_pidfds::<TakesStopsForExits>,
        fails: &[("stop_and_continue", Saying(r#"after "Signal::STOP""#))],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-exec-for-exit",
        fault: "A process that runs another program counts as gone.",
        breaks: Rule::Clause(C14),
        watcher: over_pidfds::<TakesExecForExit>,
        fails: &[(
            "a_thread_executes_another_program",
            Saying("told while it lives"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "sees-only-the-first-zombie",
        fault: "It asks for any zombie, and does not look past one that it does not watch.",
        breaks: Rule::Clause(C3),
        watcher: over_pidfds::<SeesOnlyTheFirstZombie>,
        fails: &[(
            "foreign_zombies_hide_no_exit",
            InVain("the callback ran 0 times"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "one-watcher-tells",
        fault: "The table is the process's: of two watchers of one child the first alone tells.",
        breaks: Rule::Clause(C3),
        watcher: over_pidfds::<OneWatcherTells>,
        fails: &[(
            "two_watchers_of_one_child_both_tell",
            InVain("the callback ran 0 times"),
        )],
        ..ON_PIDFDS
    },
];

#[derive(Debug, Default)]
struct TrustsProc;

impl SourceFault for TrustsProc {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        report_too(good, reports, |_, pid| death::is_zombie(pid));
        Ok(())
    }
}

#[derive(Debug, Default)]
struct TakesStopsForExits;

impl SourceFault for TakesStopsForExits {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        let stops = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        good.wait(waiter, reports)?;
        report_too(good, reports, |_, pid| {
            let number = rustix::process::Pid::from_raw(pid.as_raw()).expect("a pid is positive");
            matches!(waitid(WaitId::Pid(number), stops), Ok(Some(_)))
        });
        Ok(())
    }
}

#[derive(Debug, Default)]
struct TakesExecForExit {
    command_lines: Mutex<HashMap<Token, Vec<u8>>>,
}

impl SourceFault for TakesExecForExit {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        lock(&self.command_lines).insert(token, command_line(pid));
        good.arm(pid, token)
    }

    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        let at_arming = lock(&self.command_lines);
        report_too(good, reports, |token, pid| {
            let now = command_line(pid);
            // A process that ends has none, some moments before it has exited.
            !now.is_empty() && at_arming.get(&token) != Some(&now)
        });
        Ok(())
    }
}

fn command_line(pid: Pid) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

#[derive(Debug, Default)]
struct SeesOnlyTheFirstZombie;

impl SourceFault for SeesOnlyTheFirstZombie {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        let first = death::first_zombie();
        reports.retain(|report| good.pid(report.token) == first);
        Ok(())
    }
}

/// Processes that a watcher of this process has armed.
static ARMED: Mutex<BTreeSet<Pid>> = Mutex::new(BTreeSet::new());

#[derive(Debug, Default)]
struct OneWatcherTells;

impl SourceFault for OneWatcherTells {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        if !lock(&ARMED).insert(pid) {
            return Ok(());
        }
        good.arm(pid, token)
    }

    fn disarm<S: ExitSource>(&self, good: &Good<S>, token: Token) {
        if let Some(pid) = good.pid(token) {
            lock(&ARMED).remove(&pid);
        }
        good.disarm(token);
    }
}

/// Reports those armed processes too that look as if they had exited.
fn report_too<S: ExitSource>(
    good: &Good<S>,
    reports: &mut Vec<Report>,
    has_exited: impl Fn(Token, Pid) -> bool,
) {
    for (token, pid) in good.armed() {
        let is_reported = reports.iter().any(|report| report.token == token);
        if !is_reported && has_exited(token, pid) {
            reports.push(Report::new(token, None));
        }
    }
}
