//! C6 and C7: sources that tell what is not so, or take more than a look.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use childwatch_core::source::{ExitSource, Report};
use childwatch_core::{Exit, ExitCallback, Pid};
use rustix::process::{WaitOptions, waitpid};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, FailedLaw, ON_PIDFDS, Rule};
use super::source::{Good, SourceFault, by_itself, over_pidfds};
use super::watcher::{WatcherFault, with};
use childwatch_ptrace_free_tests::Clause::{C3, C6, C7};
use childwatch_ptrace_free_tests::kit::sys::death;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "guesses-success",
        fault: "A status that is not known, or no more, is told as success.",
        breaks: Rule::Law(7),
        watcher: over_pidfds::<GuessesSuccess>,
        fails: &[
            (
                "a_child_reaped_first_is_told_truly",
                Saying("but its code was 6"),
            ),
            (
                "an_ignored_child_signal_is_told_truly",
                Saying("but its code was 8"),
            ),
            (
                "a_child_of_no_child_wait_is_told_truly",
                Saying("but its code was 8"),
            ),
            (
                "an_exit_whose_status_is_hidden_is_told_truly",
                Saying("but its code was 6"),
            ),
        ],
        law: Some(FailedLaw {
            test: "s7_a_report_has_the_status_of_the_child",
            how: Saying("Report {"),
            source: by_itself::<GuessesSuccess>,
        }),
        ..ON_PIDFDS
    },
    Broken {
        name: "forgets-reaped-statuses",
        fault: "Of a child that has been reaped no status is told.",
        breaks: Rule::Clause(C6),
        watcher: over_pidfds::<ForgetsReapedStatuses>,
        fails: &[
            (
                "a_child_reaped_first_is_told_truly",
                Saying("but the kernel tells that its code was 6"),
            ),
            (
                "every_status_is_told_where_the_kernel_reaps",
                Saying("falsely: 0, lost: 0"),
            ),
            (
                "every_status_is_told_beside_a_reaping_thread",
                Saying("falsely: 0, lost: 0"),
            ),
            (
                "a_child_that_is_never_a_zombie_is_told_truly",
                Saying("but the kernel tells that its code was"),
            ),
        ],
        ..ON_PIDFDS
    },
    Broken {
        name: "passes-over-the-reaped",
        fault: "Of a child that has been reaped before the look no exit is told.",
        breaks: Rule::Clause(C3),
        watcher: over_pidfds::<PassesOverTheReaped>,
        fails: &[(
            "no_exit_is_lost_to_another_reaper",
            InVain("Ignored: Told {"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "tells-signals-as-codes",
        fault: "An end by a signal is told as a code, as shells do.",
        breaks: Rule::Clause(C6),
        watcher: over_pidfds::<TellsSignalsAsCodes>,
        fails: &[("codes_and_signals_are_told", Saying("right: Some(9)"))],
        passes: &["a_zombie_is_registered"],
        ..ON_PIDFDS
    },
    Broken {
        name: "cuts-codes",
        fault: "Of a code only seven bits are told.",
        breaks: Rule::Clause(C6),
        watcher: over_pidfds::<CutsCodes>,
        fails: &[("every_code_and_signal_is_told", Saying("Code(128)"))],
        passes: &["a_zombie_is_registered"],
        ..ON_PIDFDS
    },
    Broken {
        name: "invents-usages",
        fault: "A usage that is not known is told as zero everywhere.",
        breaks: Rule::Law(7),
        watcher: over_pidfds::<InventsUsages>,
        fails: &[(
            "an_unknown_usage_is_none",
            Saying("of a child that was reaped first"),
        )],
        passes: &["a_childs_usage_is_told"],
        ..ON_PIDFDS
    },
    Broken {
        name: "forgets-usages",
        fault: "No usage is told.",
        breaks: Rule::Clause(C6),
        watcher: over_pidfds::<ForgetsUsages>,
        fails: &[("a_childs_usage_is_told", Saying("without its usage"))],
        passes: &["an_unknown_usage_is_none"],
        ..ON_PIDFDS
    },
    Broken {
        name: "tells-another-pid",
        fault: "What a callback is told names the watching process.",
        breaks: Rule::Clause(C6),
        watcher: with::<TellsAnotherPid>,
        fails: &[("a_zombie_is_registered", Saying("another process is named"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "reaps",
        fault: "It takes the status of what it reports.",
        breaks: Rule::Clause(C7),
        watcher: over_pidfds::<Reaps>,
        fails: &[
            (
                "the_child_is_waitable_inside_the_callback",
                InVain("death::is_waitable(pid)"),
            ),
            (
                "a_callback_may_reap",
                Saying("what was told, and what was reaped"),
            ),
            ("plain", Saying("another status than that of the zombie")),
        ],
        passes: &["each_callback_runs_once"],
        ..ON_PIDFDS
    },
    Broken {
        name: "reaps-any-child",
        fault: "It waits for any child, whosever it is.",
        breaks: Rule::Clause(C7),
        watcher: over_pidfds::<ReapsAnyChild>,
        fails: &[(
            "an_unwatched_child_is_left_alone",
            Saying("`Option::unwrap()` on a `None` value"),
        )],
        passes: &["each_callback_runs_once"],
        ..ON_PIDFDS
    },
];

#[derive(Debug, Default)]
struct GuessesSuccess;

impl SourceFault for GuessesSuccess {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        for report in reports {
            if report.status.is_none() || good.is_reaped(report.token) {
                report.status = Some(ExitStatus::default());
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct ForgetsReapedStatuses;

impl SourceFault for ForgetsReapedStatuses {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        for report in reports {
            if good.is_reaped(report.token) {
                report.status = None;
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct PassesOverTheReaped;

impl SourceFault for PassesOverTheReaped {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        reports.retain(|report| !good.is_reaped(report.token));
        Ok(())
    }
}

#[derive(Debug, Default)]
struct TellsSignalsAsCodes;

impl SourceFault for TellsSignalsAsCodes {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        for report in reports {
            if let Some(signal) = report.status.and_then(|status| status.signal()) {
                report.status = Some(ExitStatus::from_raw((128 + signal) << 8));
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct CutsCodes;

impl SourceFault for CutsCodes {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        for report in reports {
            if let Some(code) = report.status.and_then(|status| status.code()) {
                report.status = Some(ExitStatus::from_raw((code & 0x7f) << 8));
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct InventsUsages;

impl SourceFault for InventsUsages {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        for report in reports {
            report.usage.get_or_insert_default();
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct ForgetsUsages;

impl SourceFault for ForgetsUsages {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        for report in reports {
            report.usage = None;
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct TellsAnotherPid;

impl WatcherFault for TellsAnotherPid {
    fn wrap(&self, _pid: Pid, callback: ExitCallback) -> ExitCallback {
        let own = Pid::try_from(std::process::id()).expect("a process has a number");
        Box::new(move |exit| callback(Exit::new(own, exit.status())))
    }
}

#[derive(Debug, Default)]
struct Reaps;

impl SourceFault for Reaps {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        for pid in reports.iter().filter_map(|report| good.pid(report.token)) {
            death::reap(pid);
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct ReapsAnyChild;

impl SourceFault for ReapsAnyChild {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        while let Ok(Some(_)) = waitpid(None, WaitOptions::NOHANG) {}
        Ok(())
    }
}
