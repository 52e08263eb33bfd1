//! C3, C4 and C5: how often callbacks run, where, in which order, and how late.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use childwatch_core::{Pid, PidWatcher, PidWatcherExt};

use crate::backend::stage::Stage;
use crate::kit::child::{End, GatedChild, RealChild};
use crate::kit::deadline;
use crate::kit::probe::Probe;
use crate::kit::sys::{birth, death};

pub(super) fn each_callback_runs_once(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    watcher.register_pid(child.pid()).unwrap();
    let probe = Probe::new();
    for _ in 0..10 {
        watcher
            .register_callback(child.pid(), probe.callback())
            .unwrap();
    }
    stage.settle(&*watcher);
    assert_eq!(probe.runs(), 0, "before the exit");
    child.die(End::Code(1));
    probe.ran(10);
    watcher.unregister_pid(child.pid());
    stage.settle(&*watcher);
    probe.ran(10);
    assert!(probe.captures_are_dropped());
}

pub(super) fn a_thousand_simultaneous_exits(stage: &Stage<'_>) {
    const CHILDREN: u16 = 1_000;
    let watcher = stage.watcher();
    let (read, write) = rustix::pipe::pipe().unwrap();
    let crowd: Vec<(Pid, u8)> = (0..CHILDREN)
        .map(|index| {
            let code = index.to_ne_bytes()[0];
            let pid = birth::fork_crowd_member((&read, &write), code).unwrap();
            (pid, code)
        })
        .collect();
    let probe = Probe::new();
    for (pid, _) in &crowd {
        watcher.watch(*pid, probe.callback()).unwrap();
    }
    drop(write);
    probe.ran(crowd.len());
    let mut told: Vec<_> = probe
        .exits()
        .iter()
        .map(|exit| (exit.pid(), exit.status().and_then(|status| status.code())))
        .collect();
    told.sort();
    let mut expected: Vec<_> = crowd
        .iter()
        .map(|(pid, code)| (*pid, Some(i32::from(*code))))
        .collect();
    expected.sort();
    assert_eq!(told, expected);
    for (pid, code) in crowd {
        assert_eq!(death::reap(pid).unwrap().code(), Some(code.into()));
    }
    stage.settle(&*watcher);
    probe.ran(usize::from(CHILDREN));
}

pub(super) fn two_watchers_of_one_child_both_tell(stage: &Stage<'_>) {
    let watchers = [stage.watcher(), stage.watcher()];
    let mut child = stage.child();
    let probes = [Probe::new(), Probe::new()];
    for (watcher, probe) in watchers.iter().zip(&probes) {
        watcher.watch(child.pid(), probe.callback()).unwrap();
    }
    child.die(End::Code(3));
    for probe in &probes {
        assert_eq!(probe.ran_once().status().unwrap().code(), Some(3));
    }
    assert_eq!(child.reap().unwrap().code(), Some(3));
}

pub(super) fn reaping_makes_no_second_run(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut child = stage.child();
    let probe = Probe::new();
    watcher.register_pid(child.pid()).unwrap();
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    child.die(End::Code(0));
    probe.ran_once();
    // Still registered: on Linux 6.18 the pidfd's reaping is an event too.
    child.reap();
    stage.settle(&*watcher);
    probe.ran_once();
    watcher.unregister_pid(child.pid());
    stage.settle(&*watcher);
    probe.ran_once();
}

pub(super) fn callbacks_run_in_order_on_one_thread(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    watcher.register_pid(child.pid()).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let probe = Probe::new();
    let handles: Vec<_> = (0..100)
        .map(|place| {
            let tell = tell.clone();
            let callback = probe.callback_then(move |_| tell.send(place).unwrap());
            watcher.register_callback(child.pid(), callback).unwrap()
        })
        .collect();
    assert!(handles.is_sorted(), "handles order by their registration");
    child.die(End::Code(0));
    probe.ran(100);
    drop(tell);
    assert!(told.iter().eq(0..100));

    // Another process's callback, on the same thread, which is no caller's.
    let other = stage.child();
    let here = Probe::new();
    watcher.watch(other.pid(), here.callback()).unwrap();
    other.die(End::Code(0));
    here.ran_once();
    let mut threads = probe.threads();
    threads.extend(here.threads());
    threads.dedup();
    assert_eq!(threads.len(), 1, "callbacks ran on several threads");
    assert_ne!(threads[0], thread::current().id());
}

pub(super) fn callbacks_run_one_at_a_time(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let children = [stage.child(), stage.child()];
    let (is_running, has_met) = (Arc::default(), Arc::default());
    let probe = Probe::new();
    for round in 0..100 {
        let (is_running, has_met): (Arc<AtomicBool>, Arc<AtomicBool>) =
            (Arc::clone(&is_running), Arc::clone(&has_met));
        let callback = probe.callback_then(move |_| {
            has_met.fetch_or(is_running.swap(true, Ordering::SeqCst), Ordering::SeqCst);
            (0..20).for_each(|_| thread::yield_now());
            is_running.store(false, Ordering::SeqCst);
        });
        watcher.watch(children[round % 2].pid(), callback).unwrap();
    }
    for child in &children {
        child.die(End::Code(0));
    }
    probe.ran(100);
    assert!(!has_met.load(Ordering::SeqCst), "two callbacks at one time");
}

pub(super) fn watches_of_one_process_share_its_order(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    let (tell, told) = std::sync::mpsc::channel();
    let watch = |place: u32| {
        let tell = tell.clone();
        move |_| tell.send(place).unwrap()
    };
    watcher.on_exit(child.pid(), watch(0)).unwrap();
    watcher.register_pid(child.pid()).unwrap();
    watcher
        .register_callback(child.pid(), Box::new(watch(1)))
        .unwrap();
    watcher.on_exit(child.pid(), watch(2)).unwrap();
    watcher.unregister_pid(child.pid());
    watcher.on_exit(child.pid(), watch(3)).unwrap();
    drop(tell);
    child.die(End::Code(0));
    assert!(told.iter().eq(0..4));
}

pub(super) fn a_late_callback_runs_at_once(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    watcher.register_pid(child.pid()).unwrap();
    let first = Probe::new();
    watcher
        .register_callback(child.pid(), first.callback())
        .unwrap();
    child.die(End::Signal(9));
    let told = first.ran_once();
    for _ in 0..100 {
        let late = Probe::new();
        watcher
            .register_callback(child.pid(), late.callback())
            .unwrap();
        assert_eq!(late.ran_once(), told);
        assert_eq!(late.threads(), first.threads());
    }
}

pub(super) fn a_late_callback_runs_after_reaping_too(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut child = stage.child();
    watcher.register_pid(child.pid()).unwrap();
    let first = Probe::new();
    watcher
        .register_callback(child.pid(), first.callback())
        .unwrap();
    child.die(End::Code(4));
    let told = first.ran_once();
    child.reap();
    let late = Probe::new();
    watcher
        .register_callback(child.pid(), late.callback())
        .unwrap();
    watcher.watch(child.pid(), late.callback()).unwrap();
    late.ran(2);
    assert_eq!(late.exits(), [told, told]);
}

/// Services that end at once are restarted in their callbacks, so the watcher always has
/// something to do. The signals of other exits merge with theirs.
pub(super) fn exits_are_told_in_a_storm_of_restarts(stage: &Stage<'_>) {
    const SERVICES: usize = 64;
    let watcher: Arc<dyn PidWatcher> = Arc::from(stage.watcher());
    let storm = Arc::new(Storm::default());
    let others: Vec<_> = (0..120).map(|_| (stage.child(), Probe::new())).collect();
    for (child, probe) in &others {
        watcher.watch(child.pid(), probe.callback()).unwrap();
    }
    for _ in 0..SERVICES {
        storm.restart(&watcher);
    }
    deadline::until("the storm has risen", || storm.restarts() > 100);
    for (child, _) in &others {
        child.let_go(End::Code(5));
    }
    for (_, probe) in &others {
        assert_eq!(probe.ran_once().status().unwrap().code(), Some(5));
    }
    assert!(storm.goes_on(), "some were told only after the storm");
    storm.end();
    deadline::until("the last services have ended", || {
        storm.ended.load(Ordering::SeqCst) == SERVICES
    });
}

#[derive(Debug, Default)]
struct Storm {
    restarts: AtomicUsize,
    is_over: AtomicBool,
    ended: AtomicUsize,
}

impl Storm {
    /// It ends by itself then.
    const MOST_RESTARTS: usize = 10_000;

    fn restarts(&self) -> usize {
        self.restarts.load(Ordering::SeqCst)
    }

    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::SeqCst) && self.restarts() < Self::MOST_RESTARTS
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    fn restart(self: &Arc<Self>, watcher: &Arc<dyn PidWatcher>) {
        if !self.goes_on() {
            self.ended.fetch_add(1, Ordering::SeqCst);
            return;
        }
        self.restarts.fetch_add(1, Ordering::SeqCst);
        let mut service = RealChild::fork(birth::Birth::default());
        let pid = service.pid();
        service.let_go(End::Code(0));
        let (storm, again) = (Arc::clone(self), Arc::downgrade(watcher));
        let restart = move |_| {
            service.reap();
            if let Some(watcher) = again.upgrade() {
                storm.restart(&watcher);
            }
        };
        watcher.watch(pid, Box::new(restart)).unwrap();
    }
}
