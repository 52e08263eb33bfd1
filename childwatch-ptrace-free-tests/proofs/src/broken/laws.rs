//! Sources that break a law, one each.

use std::collections::HashSet;
use std::io;
use std::mem;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use childwatch_core::source::{ExitSource, Report, Token};
use childwatch_core::{Pid, WatchError};
use rustix::event::{EventfdFlags, eventfd};

use super::entry::Fails::{ByHanging, InVain, Saying};
use super::entry::{Broken, FailedLaw, ON_PIDFDS, Rule};
use super::source::{Good, SourceFault, by_itself, over_pidfds};
use childwatch_ptrace_free_tests::Clause::{C1, C12};
use childwatch_ptrace_free_tests::kit::deadline;
use childwatch_ptrace_free_tests::kit::locked::lock;
use childwatch_ptrace_free_tests::kit::sys::death;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "deaf",
        fault: "No exit is reported.",
        breaks: Rule::Clause(C1),
        watcher: over_pidfds::<Deaf>,
        fails: &[
            (
                "a_child_of_a_thread_that_has_exited",
                InVain("the callback ran 0 times"),
            ),
            (
                "an_orphan_adopted_by_a_subreaper",
                InVain("the callback ran 0 times"),
            ),
        ],
        passes: &["an_unused_number_is_refused"],
        ..ON_PIDFDS
    },
    Broken {
        name: "misses-zombies",
        fault: "A process that has exited before it is armed is never reported.",
        breaks: Rule::Law(1),
        watcher: over_pidfds::<MissesZombies>,
        fails: &[("a_zombie_is_registered", InVain("the callback ran 0 times"))],
        law: Some(FailedLaw {
            test: "s1_an_exit_is_reported_before_the_arming_or_after",
            how: InVain("an exit is not reported"),
            source: by_itself::<MissesZombies>,
        }),
        ..ON_PIDFDS
    },
    Broken {
        name: "looks-then-listens",
        fault: "An exit between the look at the process and the arming is lost.",
        breaks: Rule::Law(1),
        watcher: over_pidfds::<LooksThenListens>,
        fails: &[(
            "an_exit_races_the_registration",
            InVain("the callback ran 0 times"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "reports-early",
        fault: "Each process is reported as soon as it is armed.",
        breaks: Rule::Law(2),
        watcher: over_pidfds::<ReportsEarly>,
        fails: &[
            ("each_callback_runs_once", Saying("before the exit")),
            ("stop_and_continue", Saying(r#"after "Signal::STOP""#)),
        ],
        passes: &["a_slow_callback_blocks_no_call"],
        law: Some(FailedLaw {
            test: "s2_a_report_names_its_token_whatever_the_order",
            how: Saying("a living child"),
            source: by_itself::<ReportsEarly>,
        }),
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-one-report-a-wait",
        fault: "Of exits that come together only the first is reported.",
        breaks: Rule::Law(2),
        watcher: over_pidfds::<TakesOneReportAWait>,
        fails: &[
            ("a_thousand_simultaneous_exits", InVain("times, not 1000")),
            (
                "more_exits_than_hints_are_all_told",
                InVain("times, not 600"),
            ),
        ],
        law: Some(FailedLaw {
            test: "s2_exits_that_come_together_are_all_reported",
            how: InVain("an exit is not reported"),
            source: by_itself::<TakesOneReportAWait>,
        }),
        ..ON_PIDFDS
    },
    Broken {
        name: "panics-on-a-repeat",
        fault: "A second event of one process, at its reaping, ends the thread.",
        breaks: Rule::Law(2),
        watcher: over_pidfds::<PanicsOnARepeat>,
        fails: &[("reaping_makes_no_second_run", InVain("exited twice"))],
        ..ON_PIDFDS
    },
    Broken {
        name: "never-disarms",
        fault: "What a watch held stays when it ends.",
        breaks: Rule::Law(3),
        watcher: over_pidfds::<NeverDisarms>,
        fails: &[("full_lives_leave_nothing", InVain("now there is"))],
        law: Some(FailedLaw {
            test: "s3_a_disarmed_process_is_not_reported_and_others_are",
            how: Saying("it is not armed"),
            source: by_itself::<NeverDisarms>,
        }),
        ..ON_PIDFDS
    },
    Broken {
        name: "loses-wakes",
        fault: "Every second wake does not end the wait.",
        breaks: Rule::Law(4),
        watcher: over_pidfds::<LosesWakes>,
        fails: &[(
            "a_late_callback_runs_at_once",
            InVain("the callback ran 0 times"),
        )],
        law: Some(FailedLaw {
            test: "s4_a_waking_ends_the_wait_under_way_or_the_next",
            how: ByHanging,
            source: by_itself::<LosesWakes>,
        }),
        ..ON_PIDFDS
    },
    Broken {
        name: "keeps-what-it-refused",
        fault: "A refused arming leaves a file descriptor.",
        breaks: Rule::Law(5),
        watcher: over_pidfds::<KeepsWhatItRefused>,
        fails: &[("an_unused_number_is_refused", InVain("now there is"))],
        law: Some(FailedLaw {
            test: "s5_a_refused_arming_leaves_nothing",
            how: Saying("a file descriptor is left"),
            source: by_itself::<KeepsWhatItRefused>,
        }),
        ..ON_PIDFDS
    },
    Broken {
        name: "arms-on-the-watchers-thread",
        fault: "To arm is an order to the watcher's thread, which the caller waits for.",
        breaks: Rule::Law(6),
        watcher: over_pidfds::<ArmsOnTheWatchersThread>,
        fails: &[
            (
                "a_slow_callback_blocks_no_call",
                InVain("the gate was opened too late"),
            ),
            (
                "every_method_may_be_called_in_a_callback",
                InVain("the callback ran 0 times"),
            ),
        ],
        law: Some(FailedLaw {
            test: "s6_callers_arm_look_and_disarm_at_once",
            how: ByHanging,
            source: by_itself::<ArmsOnTheWatchersThread>,
        }),
        ..ON_PIDFDS
    },
    Broken {
        name: "retries-at-once",
        fault: "A wait that the kernel refuses counts as one that has ended.",
        breaks: Rule::Clause(C12),
        watcher: over_pidfds::<RetriesAtOnce>,
        fails: &[(
            "drop_ends_a_thread_that_cannot_wait_any_more",
            Saying("the watcher's thread spins"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "panics",
        fault: "Its wait panics after the first exit that it has reported.",
        breaks: Rule::Law(9),
        watcher: over_pidfds::<Panics>,
        // The second child is refused, or it is registered just before the panic, and its exit is
        // not reported. Both stop the case there.
        fails: &[("codes_and_signals_are_told", Saying("cases/status.rs"))],
        passes: &["an_unused_number_is_refused"],
        ..ON_PIDFDS
    },
];

/// Its panic is no news: what comes of it is.
#[derive(Debug, Default)]
struct Panics {
    has_reported: AtomicBool,
}

impl SourceFault for Panics {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        if self.has_reported.load(Ordering::SeqCst) {
            std::panic::resume_unwind(Box::new("a source's panic"));
        }
        good.wait(waiter, reports)?;
        self.has_reported
            .fetch_or(!reports.is_empty(), Ordering::SeqCst);
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Deaf;

impl SourceFault for Deaf {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        reports.clear();
        Ok(())
    }
}

#[derive(Debug, Default)]
struct MissesZombies;

impl SourceFault for MissesZombies {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        if death::is_waitable(pid) {
            return Ok(());
        }
        good.arm(pid, token)
    }
}

#[derive(Debug, Default)]
struct LooksThenListens;

/// How long the window between its two steps is held open, so that an exit which is
/// about to come does come in it.
const WINDOW: Duration = Duration::from_millis(20);

impl SourceFault for LooksThenListens {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        let was_alive = !death::is_waitable(pid);
        if was_alive && deadline::holds_within(WINDOW, || death::is_waitable(pid)) {
            return Ok(());
        }
        good.arm(pid, token)
    }
}

#[derive(Debug, Default)]
struct ReportsEarly {
    early: Mutex<Vec<Report>>,
}

impl SourceFault for ReportsEarly {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        good.arm(pid, token)?;
        lock(&self.early).push(Report::new(token, None));
        let _ = good.wake();
        Ok(())
    }

    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        reports.append(&mut lock(&self.early));
        Ok(())
    }
}

#[derive(Debug, Default)]
struct TakesOneReportAWait;

impl SourceFault for TakesOneReportAWait {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        reports.truncate(1);
        Ok(())
    }
}

/// It looks itself whether the process has been reaped: not every kernel has an event
/// for that.
#[derive(Debug, Default)]
struct PanicsOnARepeat {
    reported: Mutex<HashSet<Token>>,
}

impl SourceFault for PanicsOnARepeat {
    fn disarm<S: ExitSource>(&self, good: &Good<S>, token: Token) {
        lock(&self.reported).remove(&token);
        good.disarm(token);
    }

    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        let mut reported = lock(&self.reported);
        let has_second = reported.iter().any(|token| good.is_reaped(*token));
        assert!(!has_second, "a process has exited twice");
        reported.extend(reports.iter().map(|report| report.token));
        Ok(())
    }
}

#[derive(Debug, Default)]
struct NeverDisarms;

impl SourceFault for NeverDisarms {
    fn disarm<S: ExitSource>(&self, _good: &Good<S>, _token: Token) {}
}

#[derive(Debug, Default)]
struct LosesWakes {
    wakes: AtomicUsize,
}

impl SourceFault for LosesWakes {
    fn wake<S: ExitSource>(&self, good: &Good<S>) -> io::Result<()> {
        if self.wakes.fetch_add(1, Ordering::SeqCst) % 2 == 1 {
            return Ok(());
        }
        good.wake()
    }
}

#[derive(Debug, Default)]
struct KeepsWhatItRefused;

impl SourceFault for KeepsWhatItRefused {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        good.arm(pid, token)
            .inspect_err(|_| mem::forget(eventfd(0, EventfdFlags::CLOEXEC)))
    }
}

#[derive(Debug, Default)]
struct ArmsOnTheWatchersThread {
    orders: Mutex<Vec<Order>>,
}

type Order = (Pid, Token, Sender<Result<(), WatchError>>);

impl SourceFault for ArmsOnTheWatchersThread {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        let (answer, answered) = mpsc::channel();
        lock(&self.orders).push((pid, token, answer));
        let _ = good.wake();
        answered.recv().expect("an order is answered")
    }

    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        let orders = mem::take(&mut *lock(&self.orders));
        for (pid, token, answer) in orders {
            let _ = answer.send(good.arm(pid, token));
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct RetriesAtOnce;

impl SourceFault for RetriesAtOnce {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        let _ = good.wait(waiter, reports);
        Ok(())
    }
}
