//! What watchers do wrong that listen to `SIGCHLD`, or look at children as those do.

use std::io;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, OnceLock};
use std::thread;
use std::time::Duration;

use childwatch_core::source::{ExitSource, Report, Token};
use childwatch_core::{Pid, PidWatcher, WatchError};
use childwatch_sigchld::SigchldSource;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::entry::Fails::{InVain, Saying};
use super::entry::{Broken, ON_PIDFDS, Rule};
use super::hosts::look_round;
use super::source::{Good, SourceFault, over_pidfds, over_sigchld, start};
use crate::backends::Sigchld;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause::{C1, C2, C3, C13, C14, C15, C16, C18};
use childwatch_ptrace_free_tests::kit::locked::lock;
use childwatch_ptrace_free_tests::kit::sys::forwarding::Forwarding;
use childwatch_ptrace_free_tests::kit::sys::signals::{self, CHILD_SIGNALS, SigchldAction};
use childwatch_ptrace_free_tests::kit::sys::{receive, threads};

const ON_SIGCHLD: Broken = Broken {
    built_on: &Sigchld,
    claims: &Sigchld,
    ..ON_PIDFDS
};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "trusts-its-handler",
        fault: "Once another handler stands in the place of its own, it tells of nothing.",
        breaks: Rule::Clause(C3),
        watcher: over_sigchld::<TrustsItsHandler>,
        fails: &[(
            "a_replaced_handler_is_noticed",
            InVain("the callback ran 0 times"),
        )],
        ..ON_SIGCHLD
    },
    Broken {
        name: "hears-only-signals",
        fault: "An exit that no signal tells of is not told.",
        breaks: Rule::Clause(C3),
        watcher: hears_only_signals,
        fails: &[
            (
                "removed_actions_of_the_handler_hide_no_exit",
                InVain("the callback ran 0 times"),
            ),
            (
                "a_program_that_takes_the_signals_keeps_no_exit_back",
                InVain("not within"),
            ),
        ],
        ..ON_SIGCHLD
    },
    Broken {
        name: "waits-for-quiet",
        fault: "While signals keep coming, no exit is told.",
        breaks: Rule::Clause(C3),
        watcher: waits_for_quiet,
        fails: &[(
            "signals_that_keep_coming_keep_no_silent_exit_back",
            InVain("the exit is told while signals come"),
        )],
        passes: &["a_zombie_is_registered"],
        ..ON_SIGCHLD
    },
    Broken {
        name: "registers-each-time",
        fault: "Each watcher registers an action with signal-hook, which has locks.",
        breaks: Rule::Clause(C15),
        watcher: registers_each_time,
        fails: &[(
            "a_copy_made_beside_a_running_handler_may_make_its_own",
            InVain("the copy hangs"),
        )],
        ..ON_SIGCHLD
    },
    Broken {
        name: "keeps-its-signal-blocked",
        fault: "Its thread blocks SIGCHLD too, and what no signal tells of is not told.",
        breaks: Rule::Clause(C3),
        watcher: keeps_its_signal_blocked,
        fails: &[(
            "a_blocked_child_signal_is_heard",
            InVain("the callback ran 0 times"),
        )],
        ..ON_SIGCHLD
    },
    Broken {
        name: "takes-a-refusal-for-life",
        fault: "What it may not ask about is taken for a child that lives.",
        breaks: Rule::Clause(C2),
        watcher: over_sigchld::<TakesARefusalForLife>,
        fails: &[(
            "what_cannot_be_asked_about_is_not_taken_for_a_child",
            Saying("Ok(()), where Unsupported for"),
        )],
        ..ON_SIGCHLD
    },
    Broken {
        name: "counts-signals",
        fault: "Each SIGCHLD is taken for the exit of some child.",
        breaks: Rule::Clause(C14),
        watcher: counts_signals,
        fails: &[("a_child_signal_sent_by_hand", Saying("told while it lives"))],
        ..ON_SIGCHLD
    },
    Broken {
        name: "believes-signals",
        fault: "Each SIGCHLD is taken for the exit of the process that has its pid now.",
        breaks: Rule::Clause(C13),
        watcher: over_sigchld::<BelievesSignals>,
        fails: &[(
            "a_late_signal_of_a_former_process_ends_no_living_one",
            Saying("told while it lives"),
        )],
        ..ON_SIGCHLD
    },
    Broken {
        name: "asks-without-wall",
        fault: "A child that was made with another exit signal is not looked at.",
        breaks: Rule::Clause(C1),
        watcher: over_pidfds::<AsksWithoutWall>,
        fails: &[(
            "a_child_without_an_exit_signal",
            InVain("the callback ran 0 times"),
        )],
        ..ON_PIDFDS
    },
    Broken {
        name: "forgets-the-handler-found",
        fault: "The handler that it found is not called any more.",
        breaks: Rule::Clause(C18),
        watcher: forgets_the_handler_found,
        fails: &[(
            "the_handler_found_is_called_on",
            InVain("the handler found is called"),
        )],
        ..ON_SIGCHLD
    },
    Broken {
        name: "overruns-small-stacks",
        fault: "Its handler does not run on the alternate stack.",
        breaks: Rule::Clause(C18),
        watcher: over_sigchld::<Clears<{ libc::SA_ONSTACK }>>,
        fails: &[(
            "a_handler_over_the_default_keeps_its_flags",
            Saying("SA_ONSTACK"),
        )],
        ..ON_SIGCHLD
    },
    Broken {
        name: "is-interrupted-on-alternate-stacks",
        fault: "Other handlers interrupt its own, and run on the alternate stack too.",
        breaks: Rule::Clause(C18),
        watcher: over_sigchld::<ClearsTheMask>,
        fails: &[("scans-stacks", Saying("the program's job ends differently"))],
        ..ON_SIGCHLD
    },
    Broken {
        name: "hides-stops",
        fault: "The program hears no more of children that stop.",
        breaks: Rule::Clause(C18),
        watcher: over_sigchld::<HidesStops>,
        fails: &[
            (
                "a_handler_over_the_default_keeps_its_flags",
                Saying("SA_NOCLDSTOP"),
            ),
            (
                "a_signalfd_reader_hears_of_every_stop",
                Saying("after its last child: the signal of a stop"),
            ),
        ],
        ..ON_SIGCHLD
    },
    Broken {
        name: "blocks-its-makers-signals",
        fault: "The thread that makes it has SIGCHLD blocked from then on.",
        breaks: Rule::Clause(C18),
        watcher: blocks_its_makers_signals,
        fails: &[(
            "the_makers_signal_mask_is_left_alone",
            Saying("the mask has changed"),
        )],
        ..ON_SIGCHLD
    },
    Broken {
        name: "makes-zombies",
        fault: "Where the kernel reaped children by itself, it does so no more.",
        breaks: Rule::Clause(C18),
        watcher: over_sigchld::<Clears<{ libc::SA_NOCLDWAIT }>>,
        fails: &[
            (
                "a_handler_over_an_ignored_signal_makes_no_zombies",
                Saying("the kernel no longer reaps"),
            ),
            (
                "a_handler_over_no_child_wait_makes_no_zombies",
                Saying("the kernel no longer reaps"),
            ),
        ],
        ..ON_SIGCHLD
    },
    Broken {
        name: "polls",
        fault: "Its thread looks again every few milliseconds.",
        breaks: Rule::Clause(C16),
        watcher: over_pidfds::<Polls>,
        fails: &[(
            "nothing_watched_wakes_nothing",
            InVain("the thread has gone to sleep for good"),
        )],
        ..ON_PIDFDS
    },
];

#[derive(Debug, Default)]
struct TrustsItsHandler {
    handler: OnceLock<usize>,
}

impl SourceFault for TrustsItsHandler {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        good.arm(pid, token)?;
        self.handler
            .get_or_init(|| signals::sigchld_disposition().0);
        Ok(())
    }

    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        let installed = self.handler.get();
        if installed.is_some_and(|installed| *installed != signals::sigchld_disposition().0) {
            reports.clear();
        }
        Ok(())
    }
}

fn registers_each_time() -> Result<Box<dyn PidWatcher>, WatchError> {
    receive::count_through_signal_hook();
    Sigchld.watcher()
}

fn hears_only_signals() -> Result<Box<dyn PidWatcher>, WatchError> {
    receive::count_through_signal_hook();
    over_sigchld::<HearsOnlySignals>()
}

/// The program's handler forwards to it, where the signal is not blocked, and counts.
fn keeps_its_signal_blocked() -> Result<Box<dyn PidWatcher>, WatchError> {
    let (source, forwarder) = SigchldSource::with_forwarder()?;
    mem::forget(Forwarding::to(move |pid, code, status| {
        forwarder.notify_child(pid, code, status);
    }));
    start::<HearsOnlySignals, _>(source)
}

/// Without a heartbeat, that is.
#[derive(Debug, Default)]
struct HearsOnlySignals {
    heard: AtomicUsize,
    /// Exits that were found before their signal was seen.
    kept: Mutex<Vec<Report>>,
}

impl SourceFault for HearsOnlySignals {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        let mut kept = lock(&self.kept);
        look_round(good, waiter, &mut kept)?;
        let signals = CHILD_SIGNALS.load(Ordering::SeqCst);
        if !kept.is_empty() && self.heard.swap(signals, Ordering::SeqCst) != signals {
            reports.append(&mut kept);
        }
        Ok(())
    }
}

fn waits_for_quiet() -> Result<Box<dyn PidWatcher>, WatchError> {
    receive::count_through_signal_hook();
    over_sigchld::<WaitsForQuiet>()
}

#[derive(Debug, Default)]
struct WaitsForQuiet {
    heard: AtomicUsize,
    /// When it last heard a signal, since boot.
    heard_at: Mutex<Duration>,
    kept: Mutex<Vec<Report>>,
}

impl SourceFault for WaitsForQuiet {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        const QUIET: Duration = Duration::from_secs(1);
        let (mut kept, mut heard_at) = (lock(&self.kept), lock(&self.heard_at));
        look_round(good, waiter, &mut kept)?;
        let (now, signals) = (threads::since_boot(), CHILD_SIGNALS.load(Ordering::SeqCst));
        if self.heard.swap(signals, Ordering::SeqCst) != signals {
            *heard_at = now;
        }
        if now - *heard_at >= QUIET {
            reports.append(&mut kept);
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct TakesARefusalForLife;

impl SourceFault for TakesARefusalForLife {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        match good.arm(pid, token) {
            Err(WatchError::Unsupported { .. }) => Ok(()),
            truth => truth,
        }
    }
}

fn counts_signals() -> Result<Box<dyn PidWatcher>, WatchError> {
    // It is chained to, and counts before the source hears.
    mem::forget(SigchldAction::counted());
    over_sigchld::<CountsSignals>()
}

#[derive(Debug, Default)]
struct CountsSignals {
    told: AtomicUsize,
}

impl SourceFault for CountsSignals {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        let signals = CHILD_SIGNALS.load(Ordering::SeqCst);
        let told = self.told.fetch_add(reports.len(), Ordering::SeqCst) + reports.len();
        let others = good.armed().into_iter().map(|(token, _)| token);
        let missing = others.take(signals.saturating_sub(told));
        reports.extend(missing.map(|token| Report::new(token, None)));
        Ok(())
    }
}

#[derive(Debug, Default)]
struct BelievesSignals;

impl SourceFault for BelievesSignals {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        // Before that, there is no handler. If the program has a handler, the watcher's thread
        // takes no signal.
        static RECORDED: Once = Once::new();
        good.arm(pid, token)
            .inspect(|()| RECORDED.call_once(receive::record_child_signals))
    }

    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        good.wait(waiter, reports)?;
        for pid in receive::recorded_child_signals() {
            let armed = good.armed().into_iter().filter(|(_, armed)| *armed == pid);
            for (token, _) in armed {
                if !reports.iter().any(|report| report.token == token) {
                    let status = None;
                    reports.push(Report::new(token, status));
                }
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct AsksWithoutWall;

impl SourceFault for AsksWithoutWall {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        let exits = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        good.wait(waiter, reports)?;
        reports.retain(|report| {
            let number = good.pid(report.token).map(|pid| pid.as_raw());
            let number = number.and_then(rustix::process::Pid::from_raw);
            number.is_some_and(|number| waitid(WaitId::Pid(number), exits).is_ok())
        });
        Ok(())
    }
}

fn forgets_the_handler_found() -> Result<Box<dyn PidWatcher>, WatchError> {
    mem::forget(SigchldAction::default_action());
    Sigchld.watcher()
}

/// A good watcher, whose handler then loses a flag.
#[derive(Debug, Default)]
struct Clears<const FLAG: i32>;

impl<const FLAG: i32> SourceFault for Clears<FLAG> {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        good.arm(pid, token)?;
        signals::change_sigchld_flags(|flags| flags & !FLAG);
        Ok(())
    }
}

/// A good watcher, whose handler then blocks nothing.
#[derive(Debug, Default)]
struct ClearsTheMask;

impl SourceFault for ClearsTheMask {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        good.arm(pid, token)?;
        signals::clear_sigchld_mask();
        Ok(())
    }
}

#[derive(Debug, Default)]
struct HidesStops;

impl SourceFault for HidesStops {
    fn arm<S: ExitSource>(&self, good: &Good<S>, pid: Pid, token: Token) -> Result<(), WatchError> {
        good.arm(pid, token)?;
        signals::change_sigchld_flags(|flags| flags | libc::SA_NOCLDSTOP);
        Ok(())
    }
}

fn blocks_its_makers_signals() -> Result<Box<dyn PidWatcher>, WatchError> {
    let watcher = Sigchld.watcher()?;
    signals::block_sigchld();
    Ok(watcher)
}

#[derive(Debug, Default)]
struct Polls;

impl SourceFault for Polls {
    fn wait<S: ExitSource>(
        &self,
        good: &Good<S>,
        waiter: &mut S::Waiter,
        reports: &mut Vec<Report>,
    ) -> io::Result<()> {
        thread::park_timeout(Duration::from_millis(5));
        good.wake()?;
        good.wait(waiter, reports)
    }
}
