//! C21: watchers that are to tell reapings, and tell exits, or tell too little.

use std::collections::HashSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use childwatch_core::source::{ExitSource, Report, Token};
use childwatch_core::{Pid, WatchError};
use childwatch_sigchld::{Disposition, probe};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::source::{Good, SourceFault, until_reaped};
use childwatch_ptrace_free_tests::Clause::C21;

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "tells-exits-for-reapings",
        fault: "A watcher that is to tell reapings tells exits.",
        breaks: Rule::Clause(C21),
        fails: &[
            (
                "a_process_is_told_when_it_is_reaped",
                Saying("it is a zombie"),
            ),
            (
                "a_process_that_is_no_child_is_told_with_its_status",
                Saying("told of a zombie"),
            ),
        ],
        passes: &["a_child_that_the_kernel_reaps_is_told"],
        ..ON_PIDFDS
    },
    Broken {
        name: "forgets-what-was-reaped",
        fault: "A reaping is told without the status that the kernel returns.",
        breaks: Rule::Clause(C21),
        watcher: until_reaped::<ForgetsWhatWasReaped>,
        fails: &[(
            "a_process_that_is_no_child_is_told_with_its_status",
            Saying("but it was Code(5)"),
        )],
        passes: &[],
        ..ON_PIDFDS
    },
    Broken {
        name: "finds-zombies-reaped",
        fault: "A look takes every process for reaped.",
        breaks: Rule::Clause(C21),
        watcher: until_reaped::<FindsZombiesReaped>,
        fails: &[(
            "a_process_is_told_when_it_is_reaped",
            Saying("it is a zombie"),
        )],
        passes: &["a_child_that_the_kernel_reaps_is_told"],
        ..ON_PIDFDS
    },
    Broken {
        name: "takes-its-kernels-reaping-for-an-exit",
        fault: "While SIGCHLD is ignored, the one event of a child is taken for its exit.",
        breaks: Rule::Clause(C21),
        watcher: until_reaped::<TakesTheKernelsReapingForAnExit>,
        fails: &[(
            "a_child_that_the_kernel_reaps_is_told",
            InVain("the callback ran 0 times"),
        )],
        passes: &["a_process_is_told_when_it_is_reaped"],
        ..ON_PIDFDS
    },
    Broken {
        name: "misses-a-reaping-that-comes-at-once",
        fault: "A process that is reaped while it is being armed is not told.",
        breaks: Rule::Clause(C21),
        watcher: until_reaped::<MissesAReapingAtOnce>,
        fails: &[(
            "a_reaping_races_the_registration",
            InVain("the callback ran 0 times"),
        )],
        passes: &["a_process_is_told_when_it_is_reaped"],
        ..ON_PIDFDS
    },
    Broken {
        name: "keeps-the-number-of-the-reaped",
        fault: "A process that was told reaped is still taken for one that has its pid.",
        breaks: Rule::Clause(C21),
        watcher: until_reaped::<KeepsTheNumber>,
        fails: &[(
            "the_number_of_a_process_that_is_told_comes_back",
            Saying("AlreadyRegistered"),
        )],
        passes: &["a_process_is_told_when_it_is_reaped"],
        ..ON_PIDFDS
    },
];

#[derive(Debug, Default)]
struct ForgetsWhatWasReaped;

impl SourceFault for ForgetsWhatWasReaped {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        for report in reports {
            report.status = None;
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct FindsZombiesReaped;

impl SourceFault for FindsZombiesReaped {
    fn look<S: ExitSource>(&self, _good: &Good<S>, token: Token) -> Option<Report> {
        let status = None;
        Some(Report::new(token, status))
    }
}

#[derive(Debug, Default)]
struct TakesTheKernelsReapingForAnExit;

impl SourceFault for TakesTheKernelsReapingForAnExit {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        let disposition = probe().disposition;
        if matches!(disposition, Ok(Disposition::Ignored)) {
            reports.clear();
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct MissesAReapingAtOnce(Mutex<HashSet<Token>>);

impl MissesAReapingAtOnce {
    fn set(&self) -> MutexGuard<'_, HashSet<Token>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SourceFault for MissesAReapingAtOnce {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        self.set().insert(token);
        good.arm(pid, token)?;
        let end = Instant::now() + Duration::from_millis(5);
        while !good.is_reaped(token) {
            if Instant::now() > end {
                self.set().remove(&token);
                break;
            }
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
        reports.retain(|report| !self.set().contains(&report.token));
        Ok(())
    }
}

#[derive(Debug, Default)]
struct KeepsTheNumber;

impl SourceFault for KeepsTheNumber {
    fn is_reaped<S: ExitSource>(&self, _good: &Good<S>, _token: Token) -> bool {
        false
    }
}
