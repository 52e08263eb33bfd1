//! C6 and C7: which status is reported, and that nothing is reaped.

use std::process::ExitStatus;
use std::time::Duration;

use childwatch_core::{Exit, Pid, PidWatcher, ResourceUsage};

use crate::backend::feature::Feature;
use crate::backend::stage::Stage;
use crate::kit::actor::{Actor, Role, USED_MEMORY, USED_TIME};
use crate::kit::child::{End, GatedChild, RealChild};
use crate::kit::deadline;
use crate::kit::probe::Probe;
use crate::kit::storm::{self, Reaper, Told};
use crate::kit::sys::signals::{self, SigchldAction};
use crate::kit::sys::{birth, death, directory, threads};

pub(super) fn every_code_and_signal_is_told(stage: &Stage<'_>) {
    let _directory = directory::TemporaryDirectory::enter();
    let watcher = stage.watcher();
    let codes = [0, 1, 2, 127, 128, 254, 255].map(End::Code);
    let signals = signals::fatal_signals().map(End::Signal);
    for end in codes.into_iter().chain(signals) {
        let mut child = stage.child();
        let probe = Probe::new();
        watcher.watch(child.pid(), probe.callback()).unwrap();
        child.die(end);
        let told = probe.ran_once();
        assert_eq!(told.pid(), child.pid());
        let reaped = child.reap().unwrap();
        assert_eq!(told.status(), Some(reaped), "{end:?}");
        assert_is(reaped, end);
    }
}

pub(super) fn codes_and_signals_are_told(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    for end in [
        End::Code(0),
        End::Code(255),
        End::Signal(9),
        End::Signal(15),
    ] {
        let mut child = stage.child();
        let probe = Probe::new();
        watcher.watch(child.pid(), probe.callback()).unwrap();
        child.die(end);
        let told = probe.ran_once().status().unwrap();
        assert_is(told, end);
        assert_eq!(child.reap(), Some(told));
    }
}

pub(super) fn a_child_reaped_first_is_told_truly(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut child = stage.child();
    let probe = Probe::new();
    watcher.watch(child.pid(), probe.callback()).unwrap();
    let occupied = stage.occupy(&*watcher);
    child.die(End::Code(6));
    assert_eq!(child.reap().unwrap().code(), Some(6));
    occupied.release();
    assert_told_if_possible(stage, probe.ran_once(), 6);
}

pub(super) fn an_ignored_child_signal_is_told_truly(stage: &Stage<'_>) {
    let action = SigchldAction::ignored();
    auto_reaped_child_is_told_truly(stage);
    drop(action);
}

pub(super) fn a_child_of_no_child_wait_is_told_truly(stage: &Stage<'_>) {
    let action = SigchldAction::no_child_wait();
    auto_reaped_child_is_told_truly(stage);
    drop(action);
}

/// With no zombies at all, the children that others wait for can't be gated on
/// `waitid`: the callbacks alone tell.
fn auto_reaped_child_is_told_truly(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    for code in [0, 8] {
        let child = stage.child();
        let probe = Probe::new();
        watcher.watch(child.pid(), probe.callback()).unwrap();
        child.let_go(End::Code(code));
        assert_told_if_possible(stage, probe.ran_once(), code.into());
        child.confirm_dead();
        assert!(!death::is_waitable(child.pid()), "the kernel reaps it");
    }
}

pub(super) fn no_exit_is_lost_to_another_reaper(stage: &Stage<'_>) {
    const CHILDREN: usize = 500;
    for reaper in [Reaper::Ignored, Reaper::NoChildWait, Reaper::Thread] {
        let watcher = stage.watcher();
        let told = storm::raise(&*watcher, reaper, CHILDREN).unwrap();
        let Told { lost, falsely, .. } = told;
        assert_eq!((lost, falsely), (0, 0), "{reaper:?}: {told:?}");
    }
}

pub(super) fn every_status_is_told_where_the_kernel_reaps(stage: &Stage<'_>) {
    every_status_is_told(stage, Reaper::Ignored);
    every_status_is_told(stage, Reaper::NoChildWait);
}

pub(super) fn every_status_is_told_beside_a_reaping_thread(stage: &Stage<'_>) {
    every_status_is_told(stage, Reaper::Thread);
}

#[track_caller]
fn every_status_is_told(stage: &Stage<'_>, reaper: Reaper) {
    const CHILDREN: usize = 4_000;
    let watcher = stage.watcher();
    let told = storm::raise(&*watcher, reaper, CHILDREN).unwrap();
    let all = Told {
        truly: CHILDREN,
        ..Told::default()
    };
    assert_eq!(told, all, "{reaper:?}");
}

pub(super) fn a_child_that_is_never_a_zombie_is_told_truly(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    for code in 0..50 {
        let child = RealChild::fork(birth::Birth::auto_reaped());
        let probe = Probe::new();
        watcher.watch(child.pid(), probe.callback()).unwrap();
        child.let_go(End::Code(code));
        assert_told_if_possible(stage, probe.ran_once(), code.into());
        child.confirm_dead();
        assert!(!death::is_waitable(child.pid()), "the kernel reaps it");
    }
}

#[expect(clippy::zombie_processes, reason = "`wait4` reaps it")]
pub(super) fn a_childs_usage_is_told(stage: &Stage<'_>) {
    let watcher = stage.watcher_with_usage();
    let mut child = Role::UseResources.command().spawn().unwrap();
    let pid = Pid::from(&child);
    watcher.register_pid(pid).unwrap();
    let (first, late) = (Probe::new(), Probe::new());
    watcher.register_callback(pid, first.callback()).unwrap();
    // The end of its input.
    child.stdin = None;
    let first = first.ran_once();
    watcher.register_callback(pid, late.callback()).unwrap();
    let exits = [
        first,
        late.ran_once(),
        watcher.try_wait(pid).unwrap().unwrap(),
        stage.watcher_with_usage().try_wait(pid).unwrap().unwrap(),
    ];
    let (status, reaped) = death::reap_with_usage(pid).expect("it has not been reaped");
    for exit in exits {
        assert_eq!(exit.status(), Some(status));
        let usage = exit.resource_usage();
        let told = usage.unwrap_or_else(|| panic!("{exit}, without its usage"));
        assert!(told.processor_time() >= USED_TIME, "{told:?}");
        assert!(told.max_resident >= USED_MEMORY as u64, "{told:?}");
        assert_is_usage(told, reaped, "of a zombie");
    }
}

/// Compares a usage with that of `wait4`, which counts the last steps of the exit too.
#[track_caller]
fn assert_is_usage(told: ResourceUsage, reaped: ResourceUsage, of: &str) {
    const LAST_STEPS: Duration = Duration::from_millis(200);
    const LAST_SWITCHES: u64 = 10;
    for (told, reaped) in [
        (told.user_time, reaped.user_time),
        (told.system_time, reaped.system_time),
    ] {
        assert!(
            told <= reaped && reaped <= told + LAST_STEPS,
            "{of}: {told:?}, {reaped:?}"
        );
    }
    for (told, reaped) in [
        (told.voluntary_switches, reaped.voluntary_switches),
        (told.involuntary_switches, reaped.involuntary_switches),
    ] {
        assert!(
            told <= reaped && reaped <= told + LAST_SWITCHES,
            "{of}: {told}, {reaped}"
        );
    }
    let rest = |usage: ResourceUsage| {
        (
            usage.max_resident,
            usage.minor_faults,
            usage.major_faults,
            usage.input_blocks,
            usage.output_blocks,
        )
    };
    assert_eq!(rest(told), rest(reaped), "{of}");
}

pub(super) fn an_unknown_usage_is_none(stage: &Stage<'_>) {
    let watcher = stage.watcher_with_usage();
    let mut child = stage.child();
    let probe = Probe::new();
    watcher.watch(child.pid(), probe.callback()).unwrap();
    let occupied = stage.occupy(&*watcher);
    child.die(End::Code(6));
    let is_real = child.is_real();
    let reaped = is_real.then(|| death::reap_with_usage(child.pid()).expect("it is ours"));
    child.reap();
    occupied.release();
    if let Some(told) = probe.ran_once().resource_usage() {
        // A backend with a second thread may have looked before the child was reaped.
        let of = "of a child that was reaped first";
        let (_, reaped) = reaped.unwrap_or_else(|| panic!("{of}: {told:?}"));
        assert_is_usage(told, reaped, of);
    }

    if stage.backend().offers(Feature::NonChildren).is_ok() {
        let mut parent = Actor::start(&mut Role::KeepChild.command());
        let pid = parent.line().parse().unwrap();
        let probe = Probe::new();
        watcher.watch(pid, probe.callback()).unwrap();
        parent.cue();
        assert_eq!(parent.line(), "dead");
        let usage = probe.ran_once().resource_usage();
        assert_eq!(usage, None, "of a process that is no child");
    }
}

/// Checks the report of a child that was reaped before the watcher could look.
#[track_caller]
fn assert_told_if_possible(stage: &Stage<'_>, exit: Exit, code: i32) {
    assert_unknown_or(exit, code);
    let can_be = stage.backend().offers(Feature::StatusAfterReaping).is_ok();
    assert!(
        !can_be || exit.status().is_some(),
        "{exit}, but the kernel tells that its code was {code}, and the backend offers `StatusAfterReaping`"
    );
}

#[track_caller]
pub(super) fn assert_unknown_or(exit: Exit, code: i32) {
    assert!(
        exit.status()
            .is_none_or(|status| status.code() == Some(code)),
        "{exit}, but its code was {code}"
    );
}

pub(super) fn the_child_is_waitable_inside_the_callback(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    for _ in 0..100 {
        let mut child = stage.child();
        let probe = Probe::new();
        let pid = child.pid();
        let is_real = child.is_real();
        watcher
            .watch(
                pid,
                probe.callback_then(move |_| assert!(!is_real || death::is_waitable(pid))),
            )
            .unwrap();
        child.let_go(End::Code(0));
        probe.ran_once();
        assert!(child.reap().is_some());
    }
}

pub(super) fn a_callback_may_reap(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    for code in 0..50 {
        let mut child = stage.child();
        let pid = child.pid();
        child.let_go(End::Code(code));
        let (tell, told) = std::sync::mpsc::channel();
        let probe = Probe::new();
        watcher
            .watch(
                pid,
                probe.callback_then(move |exit| tell.send((exit, child.reap())).unwrap()),
            )
            .unwrap();
        let (exit, reaped) = told.recv_timeout(deadline::patience()).unwrap();
        assert_eq!(exit.status(), reaped, "what was told, and what was reaped");
        assert_eq!(reaped.unwrap().code(), Some(code.into()));
        stage.settle(&*watcher);
        probe.ran_once();
    }
}

pub(super) fn an_unwatched_child_is_left_alone(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut before = stage.child();
    before.die(End::Code(11));
    let mut unregistered = stage.child();
    watcher.register_pid(unregistered.pid()).unwrap();
    watcher.unregister_pid(unregistered.pid());
    unregistered.die(End::Code(12));
    stage.settle(&*watcher);
    assert_eq!(before.reap().unwrap().code(), Some(11));
    assert_eq!(unregistered.reap().unwrap().code(), Some(12));
}

pub(super) fn a_tracers_zombie_is_told_when_waitable(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut child = RealChild::fork(birth::Birth::default());
    let probe = Probe::new();
    let pid = child.pid();
    watcher
        .watch(
            pid,
            probe.callback_then(move |_| assert!(death::is_waitable(pid))),
        )
        .unwrap();
    let mut tracer = Actor::start(Role::Trace.command().arg(pid.to_string()));
    assert_eq!(tracer.line(), "tracing");

    child.let_go(End::Code(13));
    deadline::until("the traced child is a zombie", || death::is_zombie(pid));
    stage.settle(&*watcher);
    assert_eq!(probe.runs(), 0, "told while its tracer held it");
    assert_no_spin(&*watcher, stage);

    tracer.cue();
    assert!(tracer.line().starts_with("Ok(Some"));
    assert_eq!(probe.ran_once().status().unwrap().code(), Some(13));
    assert_eq!(child.reap().unwrap().code(), Some(13));
}

pub(super) fn a_tracers_zombie_that_the_kernel_reaps_is_told_truly(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = RealChild::fork(birth::Birth::default());
    let probe = Probe::new();
    watcher.watch(child.pid(), probe.callback()).unwrap();
    let mut tracer = Actor::start(Role::Trace.command().arg(child.pid().to_string()));
    assert_eq!(tracer.line(), "tracing");

    let action = SigchldAction::ignored();
    child.let_go(End::Code(13));
    deadline::until("the traced child is a zombie", || {
        death::is_zombie(child.pid())
    });
    stage.settle(&*watcher);
    assert_eq!(probe.runs(), 0, "told while its tracer held it");

    tracer.cue();
    assert!(tracer.line().starts_with("Ok(Some"));
    assert_told_if_possible(stage, probe.ran_once(), 13);
    child.confirm_dead();
    drop(action);
}

/// Checks that the watcher's thread is idle while nothing happens. A watcher that listens to
/// `SIGCHLD` may sweep now and then. A sweep takes at most a burst and a twentieth of the
/// time.
pub(super) fn assert_no_spin(watcher: &dyn PidWatcher, stage: &Stage<'_>) {
    let looks_round = stage.backend().offers(Feature::NoSignalHandler).is_err();
    let allowed = if looks_round { LOOKING_ROUND } else { IDLE };
    takes_no_more(watchers_thread(watcher, stage), allowed);
}

/// Checks that a thread takes next to no processor time.
pub(super) fn assert_idle(thread: i32) {
    takes_no_more(thread, IDLE);
}

/// What a thread may take of `WINDOW`, as the kernel counts: in ticks of 10 ms. A thread that
/// spins takes all of its core, or on a busy machine a large part of it.
const IDLE: Duration = Duration::from_millis(50);
const LOOKING_ROUND: Duration = Duration::from_millis(150);
const WINDOW: Duration = Duration::from_millis(600);

#[track_caller]
fn takes_no_more(thread: i32, allowed: Duration) {
    let before = threads::processor_time(thread);
    let mut has_slept = false;
    let spins = deadline::holds_within(WINDOW, || {
        has_slept |= threads::is_asleep(thread);
        threads::processor_time(thread) - before > allowed
    });
    // On a busy machine a thread that spins may get almost no time, but it never sleeps.
    assert!(has_slept && !spins, "the watcher's thread spins");
}

/// The number of the thread that callbacks run on.
pub(super) fn watchers_thread(watcher: &dyn PidWatcher, stage: &Stage<'_>) -> i32 {
    let mut child = stage.child();
    let (tell, told) = std::sync::mpsc::channel();
    watcher
        .watch(
            child.pid(),
            Box::new(move |_| tell.send(threads::thread_id()).unwrap()),
        )
        .unwrap();
    child.die(End::Code(0));
    let thread = told.recv_timeout(deadline::patience()).unwrap();
    child.reap();
    thread
}

#[track_caller]
fn assert_is(status: ExitStatus, end: End) {
    use std::os::unix::process::ExitStatusExt;
    match end {
        End::Code(code) => assert_eq!(status.code(), Some(code.into())),
        End::Signal(signal) => assert_eq!(status.signal(), Some(signal.into())),
    }
}
