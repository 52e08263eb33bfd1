//! What a watcher is held to in every host.

use std::sync::{Arc, Mutex};

use childwatch_core::{Pid, PidWatcher, Unregistered};

use super::children::Children;
use crate::backend::stage::Stage;
use crate::case::Case;
use crate::cases;
use crate::kit::child::End;
use crate::kit::locked::lock;
use crate::kit::probe::Probe;

/// Cases that ask nothing of the program around them but that it leaves their children
/// unreaped. Each takes some milliseconds.
const CASES: &[&str] = &[
    "a_zombie_is_registered",
    "each_poll_finds_a_zombie",
    "a_poll_leaves_nothing",
    "the_same_pid_twice_is_refused",
    "an_unused_number_is_refused",
    "each_callback_runs_once",
    "two_watchers_of_one_child_both_tell",
    "reaping_makes_no_second_run",
    "callbacks_run_in_order_on_one_thread",
    "a_late_callback_runs_at_once",
    "codes_and_signals_are_told",
    "a_callback_may_reap",
    "unregister_pid_keeps_callbacks_and_refuses_new_ones",
    "the_pid_can_be_registered_again",
    "an_unregistered_callback_never_runs",
    "unregister_waits_for_a_running_callback",
    "a_callback_that_unregisters_itself_is_running",
    "a_callback_unregisters_another",
    "every_method_may_be_called_in_a_callback",
    "a_callback_ends_its_own_registration",
    "a_panicking_callback_harms_nothing",
    "drop_with_live_children_drops_captures",
    "the_end_of_one_watcher_harms_no_other",
    "drop_inside_a_callback_ends_the_thread_after_it",
    "a_slow_callback_blocks_no_call",
];

/// Those of [`CASES`] that are run where there is no time for all: one of each kind.
const CASES_IN_PART: &[&str] = &[
    "a_zombie_is_registered",
    "two_watchers_of_one_child_both_tell",
    "codes_and_signals_are_told",
    "an_unregistered_callback_never_runs",
    "unregister_waits_for_a_running_callback",
    "a_panicking_callback_harms_nothing",
    "drop_with_live_children_drops_captures",
    "drop_inside_a_callback_ends_the_thread_after_it",
];

/// Holds the backend to its contract in this program.
#[track_caller]
pub(super) fn check(stage: &Stage<'_>, children: Children) {
    exits_are_told(stage, children);
    if children == Children::Stay {
        run(CASES, stage);
    }
}

/// The same with a part of the cases.
#[track_caller]
pub(super) fn check_in_part(stage: &Stage<'_>, children: Children) {
    exits_are_told(stage, children);
    if children == Children::Stay {
        run(CASES_IN_PART, stage);
    }
}

#[track_caller]
fn run(cases: &[&str], stage: &Stage<'_>) {
    for name in cases {
        let case = case(name).expect("a unit test has looked");
        (case.run)(stage);
    }
}

fn case(name: &str) -> Option<&'static Case> {
    cases::CASES.iter().find(|case| case.name == name)
}

/// The part of the contract that holds in every program, also if it reaps the children of
/// others: each exit is reported once, and not before it; some at once, some alone, some of
/// processes that are registered as they exit.
#[track_caller]
fn exits_are_told(stage: &Stage<'_>, children: Children) {
    const CROWD: u8 = 20;
    let watcher = stage.watcher();
    let watcher = &*watcher;
    let mut crowd: Vec<_> = (0..CROWD).map(|_| (stage.child(), Probe::new())).collect();
    for (child, probe) in &crowd {
        watcher.watch(child.pid(), probe.callback()).unwrap();
    }
    for (code, (child, probe)) in (0..).zip(&crowd) {
        assert_eq!(probe.runs(), 0, "a child is reported that lives");
        child.let_go(End::Code(code));
    }
    for (code, (child, probe)) in (0..).zip(&mut crowd) {
        let told = probe.ran_once().status();
        child.confirm_dead();
        children.check(told, code, || child.reap());
    }
    one_after_the_other(stage, watcher, children);
    a_cancelled_callback_stays_away(stage, watcher);
}

fn one_after_the_other(stage: &Stage<'_>, watcher: &dyn PidWatcher, children: Children) {
    let told: Arc<Mutex<Vec<Pid>>> = Arc::default();
    for code in 0..5 {
        let (mut child, probe) = (stage.child(), Probe::new());
        let pid = child.pid();
        let note = probe.callback_then({
            let told = Arc::clone(&told);
            move |exit| lock(&told).push(exit.pid())
        });
        watcher.watch(pid, note).unwrap();
        child.die(End::Code(code));
        children.check(probe.ran_once().status(), code, || child.reap());
        assert_eq!(lock(&told).pop(), Some(pid));
    }
}

fn a_cancelled_callback_stays_away(stage: &Stage<'_>, watcher: &dyn PidWatcher) {
    let (child, probe) = (stage.child(), Probe::new());
    let handle = watcher.watch(child.pid(), probe.callback()).unwrap();
    assert_eq!(
        watcher.unregister_callback(handle),
        Unregistered::WillNotRun
    );
    assert!(probe.captures_are_dropped());
    child.die(End::Code(0));
    drop(child);
    assert_eq!(probe.runs(), 0, "a cancelled callback runs");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::feature::Feature;
    use crate::backend::need::Need;

    #[test]
    fn the_cases_need_no_more_than_a_process() {
        for name in CASES {
            let case = case(name).unwrap_or_else(|| panic!("{name} is no case"));
            let mut needs = case.needs.iter();
            assert!(
                needs.all(|need| *need == Need::Backend(Feature::RealProcesses)),
                "{name}"
            );
            // Simulated processes are judged in hosts too.
            assert!(case.needs.is_empty(), "{name}");
        }
        let mut in_part = CASES_IN_PART.iter();
        assert!(in_part.all(|name| CASES.contains(name)));
    }
}
