//! The clauses that a watcher which listens to `SIGCHLD` could break in ways of its
//! own.

use std::sync::atomic::Ordering;
use std::time::Duration;

use childwatch_core::{Pid, PidWatcher, WatchError};

use crate::backend::stage::Stage;
use crate::kit::actor::{Actor, Role};
use crate::kit::child::{End, GatedChild, RealChild};
use crate::kit::deadline;
use crate::kit::probe::Probe;
use crate::kit::sys::signals::{self, CHILD_SIGNALS, SigchldAction};
use crate::kit::sys::{birth, death, permits, receive, threads};

/// Zombies that are neither watched nor reaped stand first in the kernel's list.
pub(super) fn foreign_zombies_hide_no_exit(stage: &Stage<'_>) {
    let foreign: Vec<_> = (0..50).map(|_| stage.child()).collect();
    for child in &foreign {
        child.die(End::Code(77));
    }
    let watcher = stage.watcher();
    let children: Vec<_> = (0..50).map(|_| (stage.child(), Probe::new())).collect();
    for (child, probe) in &children {
        watcher.watch(child.pid(), probe.callback()).unwrap();
    }
    // All at once: their signals merge.
    for (child, _) in &children {
        child.let_go(End::Code(1));
    }
    for (_, probe) in &children {
        assert_eq!(probe.ran_once().status().unwrap().code(), Some(1));
    }
    stage.settle(&*watcher);
    super::status::assert_no_spin(&*watcher, stage);
    for (_, probe) in &children {
        probe.ran_once();
    }
}

pub(super) fn a_replaced_handler_is_noticed(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    stage.settle(&*watcher);
    for replace in [
        SigchldAction::default_action,
        SigchldAction::ignored,
        SigchldAction::counted,
    ] {
        let children: Vec<_> = (0..4).map(|_| (stage.child(), Probe::new())).collect();
        for (child, probe) in &children {
            watcher.watch(child.pid(), probe.callback()).unwrap();
        }
        let replaced = replace();
        for (child, _) in &children {
            child.let_go(End::Code(2));
        }
        for (_, probe) in &children {
            let told = probe.ran_once().status();
            assert!(
                told.is_none_or(|status| status.code() == Some(2)),
                "{told:?}"
            );
        }
        // This exit comes while the program's handler is installed.
        let (late, probe) = (stage.child(), Probe::new());
        watcher.watch(late.pid(), probe.callback()).unwrap();
        late.let_go(End::Code(2));
        probe.ran_once();
        drop(replaced);
    }
}

/// Another part of the program takes out all that signal-hook calls for the signal.
pub(super) fn removed_actions_of_the_handler_hide_no_exit(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    stage.settle(&*watcher);
    receive::remove_all_actions();
    for _ in 0..2 {
        let mut child = stage.child();
        let probe = Probe::new();
        watcher.watch(child.pid(), probe.callback()).unwrap();
        child.die(End::Code(2));
        assert_eq!(probe.ran_once().status(), child.reap());
    }
}

/// Signals of other children keep coming. A watcher that waits for a pause, or that puts
/// its next look off with each signal, never reports the child that has no signal.
pub(super) fn signals_that_keep_coming_keep_no_silent_exit_back(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    stage.settle(&*watcher);
    for code in [5, 6] {
        let mut child = RealChild::fork(birth::Birth {
            exit_signal: 0,
            ..birth::Birth::default()
        });
        let probe = Probe::new();
        watcher.watch(child.pid(), probe.callback()).unwrap();
        child.die(End::Code(code));
        deadline::until("the exit is told while signals come", || {
            signals::signal_self(libc::SIGCHLD);
            probe.runs() > 0
        });
        assert_eq!(probe.ran_once().status(), child.reap());
    }
}

/// `waitid` answers a tracer as it answers a parent.
pub(super) fn a_process_or_thread_that_is_only_traced_is_refused(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let before = signals::dispositions();
    a_grandchild_that_is_traced_is_refused(&*watcher);
    a_thread_that_is_traced_is_refused(&*watcher);
    assert_eq!(signals::dispositions(), before, "handlers have changed");
    // A backend may ask otherwise once a child has been watched.
    stage.settle(&*watcher);
    a_grandchild_that_is_traced_is_refused(&*watcher);
}

fn a_grandchild_that_is_traced_is_refused(watcher: &dyn PidWatcher) {
    let mut parent = Actor::start(&mut Role::KeepChild.command());
    let grandchild: Pid = parent.line().parse().unwrap();
    permits::seize(grandchild).unwrap();
    let is_refused = |moment: &str| {
        let refused = watcher.register_pid(grandchild);
        assert!(
            matches!(refused, Err(WatchError::NotAChild { pid, .. }) if pid == grandchild),
            "{moment}: {refused:?}"
        );
    };
    is_refused("alive");
    parent.cue();
    deadline::until("the tracer can wait for it", || {
        death::is_waitable(grandchild)
    });
    is_refused("a zombie");
    // The tracer waits first.
    death::reap(grandchild);
    parent.line();
    parent.cue();
    parent.line();
}

fn a_thread_that_is_traced_is_refused(watcher: &dyn PidWatcher) {
    let mut child = Actor::start(&mut Role::LeaderExits.command());
    child.cue();
    let pid = child.wait_until_ready();
    let thread = threads::another_thread_of(pid);
    permits::seize(thread).unwrap();
    let refused = watcher.register_pid(thread);
    assert!(
        matches!(refused, Err(WatchError::NoSuchProcess { pid, .. }) if pid == thread),
        "{refused:?}"
    );
    child.end_input();
    death::reap(thread);
    child.child().wait().unwrap();
}

pub(super) fn the_handler_found_is_called_on(stage: &Stage<'_>) {
    let _found = SigchldAction::counted();
    let watcher = stage.watcher();
    stage.settle(&*watcher);
    let (_, flags) = signals::sigchld_disposition();
    assert_ne!(flags & libc::SA_RESTART, 0, "SA_RESTART");
    assert_eq!(
        flags & libc::SA_NOCLDSTOP,
        0,
        "the handler found hears of stops"
    );

    let before = CHILD_SIGNALS.load(Ordering::SeqCst);
    let mut child = stage.child();
    let probe = Probe::new();
    watcher.watch(child.pid(), probe.callback()).unwrap();
    child.die(End::Code(0));
    probe.ran_once();
    deadline::until("the handler found is called", || {
        CHILD_SIGNALS.load(Ordering::SeqCst) > before
    });
    child.reap();

    // Also when the watcher is gone.
    drop(watcher);
    let before = CHILD_SIGNALS.load(Ordering::SeqCst);
    let child = stage.child();
    child.die(End::Code(0));
    deadline::until("the handler found is called", || {
        CHILD_SIGNALS.load(Ordering::SeqCst) > before
    });
}

pub(super) fn a_handler_over_the_default_keeps_its_flags(stage: &Stage<'_>) {
    let _found = SigchldAction::default_action();
    let watcher = stage.watcher();
    stage.settle(&*watcher);
    let (_, flags) = signals::sigchld_disposition();
    for (flag, name) in [
        (libc::SA_ONSTACK, "SA_ONSTACK"),
        (libc::SA_RESTART, "SA_RESTART"),
    ] {
        assert_ne!(flags & flag, 0, "{name}");
    }
    assert_eq!(flags & libc::SA_NOCLDSTOP, 0, "SA_NOCLDSTOP");
    assert_eq!(flags & libc::SA_NOCLDWAIT, 0, "SA_NOCLDWAIT");
}

pub(super) fn a_handler_over_an_ignored_signal_makes_no_zombies(stage: &Stage<'_>) {
    makes_no_zombies(stage, SigchldAction::ignored());
}

pub(super) fn a_handler_over_no_child_wait_makes_no_zombies(stage: &Stage<'_>) {
    makes_no_zombies(stage, SigchldAction::no_child_wait());
}

/// The handler is installed once in a process: a case has one disposition to find.
fn makes_no_zombies(stage: &Stage<'_>, found: SigchldAction) {
    let watcher = stage.watcher();
    for code in [0, 9, 0, 9] {
        let child = stage.child();
        let probe = Probe::new();
        watcher.watch(child.pid(), probe.callback()).unwrap();
        child.let_go(End::Code(code));
        let told = probe.ran_once().status();
        assert!(
            told.is_none_or(|status| status.code() == Some(code.into())),
            "{told:?}"
        );
        child.confirm_dead();
        assert!(!death::has_children(), "the kernel no longer reaps");
    }
    drop(found);
}

pub(super) fn a_blocked_child_signal_is_heard(stage: &Stage<'_>) {
    signals::block_sigchld();
    let watcher = stage.watcher();
    // If the watcher leaves the mask to the program, each exit takes a heartbeat.
    for _ in 0..3 {
        let mut child = stage.child();
        let probe = Probe::new();
        watcher.watch(child.pid(), probe.callback()).unwrap();
        child.die(End::Code(3));
        assert_eq!(probe.ran_once().status(), child.reap());
    }
}

/// More exits than a watcher can have queued, while its thread is busy.
pub(super) fn more_exits_than_hints_are_all_told(stage: &Stage<'_>) {
    const CHILDREN: usize = 600;
    let watcher = stage.watcher();
    let children: Vec<_> = (0..CHILDREN).map(|_| stage.child()).collect();
    let probe = Probe::new();
    for child in &children {
        watcher.watch(child.pid(), probe.callback()).unwrap();
    }
    let occupied = stage.occupy(&*watcher);
    for child in &children {
        child.die(End::Code(4));
    }
    occupied.release();
    probe.ran(CHILDREN);
    let mut told: Vec<_> = probe.exits().iter().map(|exit| exit.pid()).collect();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), CHILDREN, "some were told twice");
    stage.settle(&*watcher);
    probe.ran(CHILDREN);
}

pub(super) fn a_process_that_is_no_child_is_refused(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut parent = Actor::start(&mut Role::KeepChild.command());
    let grandchild: Pid = parent.line().parse().unwrap();
    let refused = watcher.register_pid(grandchild);
    assert!(
        matches!(refused, Err(WatchError::NotAChild { pid, .. }) if pid == grandchild),
        "{refused:?}"
    );
    for _ in 0..2 {
        parent.cue();
        parent.line();
    }
}

/// With nothing to watch, the watcher's thread does not wake up, whatever other
/// children do.
pub(super) fn nothing_watched_wakes_nothing(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let thread = super::status::watchers_thread(&*watcher, stage);
    deadline::until("the thread has gone to sleep for good", || {
        let before = threads::wakeups(thread);
        !deadline::holds_within(Duration::from_millis(600), || {
            threads::wakeups(thread) != before
        })
    });
    let before = threads::wakeups(thread);
    for _ in 0..50 {
        let mut child = stage.child();
        child.die(End::Code(0));
        child.reap();
    }
    assert_eq!(threads::wakeups(thread), before);
    // And it wakes when there is something.
    stage.settle(&*watcher);
}
