//! C18, and C13 in strange namespaces: watchers that take something from the program
//! around them, or believe what it shows them.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::mem;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use childwatch_core::source::{ExitSource, Report, Token};
use childwatch_core::{Pid, PidWatcher, WatchError};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::source::{Good, SourceFault, over_pidfds, over_sigchld};
use crate::backends::{Pidfd, Sigchld};
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause::{C2, C3, C13, C18};
use childwatch_ptrace_free_tests::kit::locked::lock;
use childwatch_ptrace_free_tests::kit::sys::signals::{self, SigchldAction};
use childwatch_ptrace_free_tests::kit::sys::threads;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "takes-signals-while-idle",
        fault: "A thread of its own lets SIGCHLD through, watched or not.",
        breaks: Rule::Clause(C18),
        watcher: takes_signals_while_idle,
        // On a busy machine the program may be the first to take every signal of a moment. Then
        // a later moment fails.
        fails: &[
            ("a_signalfd_reader_hears_of_every_exit", Saying(" signal")),
            (
                "no_signal_is_taken_once_the_last_exit_is_told",
                Saying(" signal"),
            ),
            ("a_sigwait_loop_hears_of_every_exit", Saying(" signal")),
            (
                "signalfd-reader",
                Saying("the program's job ends differently"),
            ),
            ("sigwait-loop", Saying("the program's job ends differently")),
            ("a_signalfd_reader_hears_of_every_stop", Saying(" signal")),
        ],
        // The thread that it leaves behind fails every case.
        passes: &[],
        ..ON_PIDFDS
    },
    Broken {
        name: "lets-a-signal-through",
        fault: "Its thread does not block SIGCHLD while nothing is watched.",
        breaks: Rule::Clause(C18),
        watcher: over_pidfds::<LetsASignalThrough>,
        fails: &[(
            "no_signal_handler_runs_on_the_watchers_thread",
            InVain("left: [4, 5, 7, 8, 9, 11, 17, 19, 31, 32, 33]"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "installs-a-handler-at-once",
        fault: "It installs a handler when it is made, with flags and a mask of its own.",
        breaks: Rule::Clause(C18),
        watcher: installs_a_handler_at_once,
        fails: &[
            (
                "an_idle_watcher_touches_no_handler",
                Saying("with an idle watcher"),
            ),
            (
                "a_handlers_flags_and_mask_are_kept",
                Saying("with an idle watcher"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "installs-before-it-looks",
        fault: "It installs a handler for a process that it then refuses.",
        breaks: Rule::Clause(C18),
        watcher: over_pidfds::<InstallsBeforeItLooks>,
        fails: &[(
            "a_refused_process_touches_no_handler",
            Saying("handlers have changed for a refused process"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-tracees-for-children",
        fault: "What `waitid` answers for is taken for a child.",
        breaks: Rule::Clause(C2),
        built_on: &Sigchld,
        claims: &Sigchld,
        watcher: over_sigchld::<TakesTraceesForChildren>,
        fails: &[
            (
                "a_process_or_thread_that_is_only_traced_is_refused",
                Saying("Ok(())"),
            ),
            (
                "traces-others",
                Saying("Ok(()) of a process that is only traced"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "trusts-any-proc",
        fault: "A start time in /proc that is later than the arming means another process.",
        breaks: Rule::Clause(C13),
        watcher: over_pidfds::<TrustsAnyProc>,
        fails: &[(
            "in_a_foreign_proc_no_living_process_is_told",
            Saying("told while it lives"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "asks-by-number",
        fault: "The status is that of the process which has the number when it asks.",
        breaks: Rule::Clause(C13),
        watcher: over_pidfds::<AsksByNumber>,
        fails: &[
            (
                "a_successors_status_is_not_told_for_a_process",
                Saying("Some(ExitStatus(unix_wait_status(512)))"),
            ),
            (
                "a_successors_status_is_not_told_without_files",
                Saying("Some(ExitStatus(unix_wait_status(512)))"),
            ),
            (
                "without_proc_a_successors_status_is_not_told",
                Saying("Some(ExitStatus(unix_wait_status(512)))"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "starves-the-old",
        fault: "While exits keep coming, those of processes armed long before are kept back.",
        breaks: Rule::Clause(C3),
        watcher: over_pidfds::<StarvesTheOld>,
        fails: &[
            (
                "exits_are_told_in_a_storm_of_restarts",
                InVain("the callback ran 0 times"),
            ),
            ("restart-storm", InVain("the callback ran 0 times")),
        ],
        ..ON_PIDFDS
    },
];

fn takes_signals_while_idle() -> Result<Box<dyn PidWatcher>, WatchError> {
    beside_a_thread(signals::unblock_sigchld)
}

/// A good watcher, and a thread that has begun with this, and lives on.
pub(super) fn beside_a_thread(begin: fn()) -> Result<Box<dyn PidWatcher>, WatchError> {
    leave_a_thread(begin, thread::park);
    Pidfd.watcher()
}

/// Starts a thread, and returns when that has done `begin`. It goes on with `rest` for ever.
pub(super) fn leave_a_thread(begin: fn(), rest: fn()) {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        begin();
        let _ = tell.send(());
        loop {
            rest();
        }
    });
    let _ = told.recv();
}

#[derive(Debug, Default)]
struct LetsASignalThrough;

impl SourceFault for LetsASignalThrough {
    fn start<S: ExitSource>(&self, good: &Good<S>, waiter: &mut S::Waiter) {
        signals::unblock_sigchld();
        good.start(waiter);
    }
}

fn installs_a_handler_at_once() -> Result<Box<dyn PidWatcher>, WatchError> {
    mem::forget(SigchldAction::counted());
    Pidfd.watcher()
}

#[derive(Debug, Default)]
struct InstallsBeforeItLooks;

impl SourceFault for InstallsBeforeItLooks {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        mem::forget(SigchldAction::counted());
        good.arm(pid, token)
    }
}

#[derive(Debug, Default)]
struct TakesTraceesForChildren;

impl SourceFault for TakesTraceesForChildren {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        match good.arm(pid, token) {
            Err(_) if peek(pid).is_ok() => Ok(()),
            truth => truth,
        }
    }
}

/// The answer of `waitid` for a number, whichever process has it.
pub(super) fn peek(pid: Pid) -> rustix::io::Result<Option<rustix::process::WaitIdStatus>> {
    let number = rustix::process::Pid::from_raw(pid.as_raw()).expect("a pid is positive");
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let wall = WaitIdOptions::from_bits_retain(libc::__WALL as u32);
    waitid(WaitId::Pid(number), options | wall)
}

/// Looks at what it has armed every few milliseconds, as heartbeats do.
pub(super) fn look_round<S: ExitSource>(
    good: &Good<S>,
    waiter: &mut S::Waiter,
    reports: &mut Vec<Report>,
) -> io::Result<()> {
    thread::park_timeout(Duration::from_millis(2));
    good.wake()?;
    good.wait(waiter, reports)
}

#[derive(Debug, Default)]
struct TrustsAnyProc {
    armed_at: Mutex<HashMap<Token, u64>>,
}

impl SourceFault for TrustsAnyProc {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        let ticks = rustix::param::clock_ticks_per_second();
        let now = threads::since_boot().as_millis() as u64 * ticks / 1_000;
        lock(&self.armed_at).insert(token, now);
        good.arm(pid, token)
    }

    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        look_round(good, waiter, reports)?;
        report_late_starts(good, &lock(&self.armed_at), reports);
        Ok(())
    }
}

/// Reports those that were started later than they were armed.
pub(super) fn report_late_starts<S: ExitSource>(
    good: &Good<S>,
    armed_at: &HashMap<Token, u64>,
    reports: &mut Vec<Report>,
) {
    for (token, pid) in good.armed() {
        let armed_at = armed_at.get(&token);
        let is_later = start(pid)
            .zip(armed_at)
            .is_some_and(|(start, armed_at)| start > *armed_at);
        if is_later && !reports.iter().any(|report| report.token == token) {
            let status = None;
            reports.push(Report::new(token, status));
        }
    }
}

/// The 22nd field of `/proc/PID/stat`.
fn start(pid: Pid) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(19)?.parse().ok()
}

#[derive(Debug, Default)]
struct AsksByNumber {
    kept: Mutex<Vec<(Report, Pid)>>,
}

impl SourceFault for AsksByNumber {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        let mut fresh = Vec::new();
        look_round(good, waiter, &mut fresh)?;
        let mut kept = lock(&self.kept);
        let with_pid = |report: Report| {
            let pid = good.pid(report.token)?;
            Some((report, pid))
        };
        kept.extend(fresh.into_iter().filter_map(with_pid));
        kept.retain(|(Report { token, status, .. }, pid)| {
            let status = match peek(*pid) {
                Ok(Some(zombie)) => zombie.exit_status().map(exited).or(*status),
                Ok(None) => return true,
                Err(_) => *status,
            };
            let token = *token;
            reports.push(Report::new(token, status));
            false
        });
        Ok(())
    }
}

fn exited(code: i32) -> std::process::ExitStatus {
    use std::os::unix::process::ExitStatusExt;
    std::process::ExitStatus::from_raw(code << 8)
}

#[derive(Debug, Default)]
struct StarvesTheOld {
    arms: Mutex<HashMap<Token, usize>>,
}

impl SourceFault for StarvesTheOld {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        let mut arms = lock(&self.arms);
        let number = arms.values().max().map_or(0, |last| last + 1);
        arms.insert(token, number);
        drop(arms);
        good.arm(pid, token)
    }

    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        /// How many processes are armed meanwhile.
        const LONG: usize = 100;
        good.wait(waiter, reports)?;
        let arms = lock(&self.arms);
        let last = arms.values().max().copied().unwrap_or(0);
        // They are kept for a pause that does not come.
        reports.retain(|report| arms.get(&report.token).is_none_or(|arm| arm + LONG > last));
        Ok(())
    }
}
