//! C1 and C2: what can be registered, and what is refused.

use std::process::Stdio;
use std::sync::Barrier;
use std::thread;

use childwatch_core::{Pid, PidWatcher, PidWatcherExt, WatchError};

use crate::backend::stage::Stage;
use crate::kit::actor::{Actor, Role};
use crate::kit::child::{End, GatedChild, RealChild};
use crate::kit::footprint::Footprint;
use crate::kit::probe::Probe;
use crate::kit::sys::{birth, death, limits, threads};

pub(super) fn a_zombie_is_registered(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut child = stage.child();
    child.die(End::Code(42));

    let probe = Probe::new();
    watcher.register_pid(child.pid()).unwrap();
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    let exit = probe.ran_once();
    assert_eq!(exit.pid(), child.pid(), "another process is named");
    assert_eq!(exit.status(), child.reap());
}

pub(super) fn an_exit_races_the_registration(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    for code in 0..=255 {
        let mut child = stage.child();
        let probe = Probe::new();
        child.let_go(End::Code(code));
        watcher.watch(child.pid(), probe.callback()).unwrap();
        assert_eq!(probe.ran_once().status().unwrap().code(), Some(code.into()));
        child.reap();
    }
}

pub(super) fn a_child_of_a_thread_that_has_exited(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut child = thread::spawn(|| RealChild::fork(birth::Birth::default()))
        .join()
        .unwrap();
    assert_exit_told(&*watcher, &mut child);
}

pub(super) fn an_orphan_adopted_by_a_subreaper(stage: &Stage<'_>) {
    birth::become_subreaper();
    let watcher = stage.watcher();
    let mut parent = Actor::start(&mut Role::LeaveOrphan.command());
    let orphan = parent.wait_until_ready();
    parent.child().wait().unwrap();

    let probe = Probe::new();
    watcher.watch(orphan, probe.callback()).unwrap();
    parent.end_input();
    assert_eq!(probe.ran_once().status().unwrap().code(), Some(7));
    assert!(death::reap(orphan).is_some());
}

pub(super) fn a_child_without_an_exit_signal(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut child = RealChild::fork(birth::Birth {
        exit_signal: 0,
        ..birth::Birth::default()
    });
    assert_exit_told(&*watcher, &mut child);
}

pub(super) fn a_process_that_is_no_child(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut parent = Actor::start(&mut Role::KeepChild.command());
    let grandchild: Pid = parent.line().parse().unwrap();
    let probe = Probe::new();
    watcher.watch(grandchild, probe.callback()).unwrap();
    stage.settle(&*watcher);
    assert_eq!(probe.runs(), 0);

    parent.cue();
    assert_eq!(parent.line(), "dead");
    let told = probe.ran_once().status();
    // Its parent is another process, and only the parent gets its status.
    assert!(
        told.is_none_or(|status| status.code() == Some(5)),
        "{told:?}"
    );
    parent.cue();
    assert_eq!(parent.line(), "reaped");
}

pub(super) fn the_same_pid_twice_is_refused(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    let probe = Probe::new();
    watcher.register_pid(child.pid()).unwrap();
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    let refused = watcher.register_pid(child.pid());
    assert!(
        matches!(refused, Err(WatchError::AlreadyRegistered { pid }) if pid == child.pid()),
        "{refused:?}"
    );
    child.die(End::Code(0));
    probe.ran_once();

    // A zombie's number is still its own.
    let refused = watcher.register_pid(child.pid());
    assert!(
        matches!(refused, Err(WatchError::AlreadyRegistered { .. })),
        "{refused:?}"
    );
}

pub(super) fn of_many_at_once_one_registers(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    for round in 0..100 {
        let child = stage.child();
        let watched = Probe::new();
        if round % 2 == 1 {
            // There is a registration, which the one makes last.
            watcher.watch(child.pid(), watched.callback()).unwrap();
        }
        let all_at_once = Barrier::new(4);
        let attempt = || {
            all_at_once.wait();
            watcher.register_pid(child.pid())
        };
        let registered = thread::scope(|scope| {
            let attempts: Vec<_> = (0..4).map(|_| scope.spawn(attempt)).collect();
            attempts
                .into_iter()
                .filter_map(|attempt| match attempt.join().unwrap() {
                    Ok(()) => Some(()),
                    Err(WatchError::AlreadyRegistered { .. }) => None,
                    Err(other) => panic!("{other}"),
                })
                .count()
        });
        assert_eq!(registered, 1, "registered at once");

        let probe = Probe::new();
        watcher
            .register_callback(child.pid(), probe.callback())
            .unwrap();
        watcher.unregister_pid(child.pid());
        child.die(End::Code(0));
        probe.ran_once();
        watched.ran(round % 2);
    }
}

pub(super) fn an_unused_number_is_refused(stage: &Stage<'_>) {
    for raw in [0, -1, i32::MIN] {
        assert!(Pid::try_from(raw).is_err());
    }
    let watcher = stage.watcher();
    let before = Footprint::now();
    let mut child = stage.child();
    child.die(End::Code(0));
    child.reap();
    let probe = Probe::new();
    // Above any number that Linux gives (2²²), and one just reaped.
    for pid in [Pid::try_from(i32::MAX).unwrap(), child.pid()] {
        let refused = watcher.register_pid(pid);
        assert!(
            matches!(refused, Err(WatchError::NoSuchProcess { pid: named, .. }) if named == pid),
            "{refused:?}"
        );
        let refused = watcher.watch(pid, probe.callback());
        assert!(
            matches!(refused, Err(WatchError::NoSuchProcess { .. })),
            "{refused:?}"
        );
    }
    assert!(probe.captures_are_dropped());
    drop(child);
    before.assert_unchanged();
}

/// No process has its number: until somebody has it again, it means the reaped process.
pub(super) fn a_refusal_leaves_the_reaped_process_registered(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut child = stage.child();
    let probe = Probe::new();
    watcher.register_pid(child.pid()).unwrap();
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    child.die(End::Code(3));
    let told = probe.ran_once();
    child.reap();

    let refused = watcher.register_pid(child.pid());
    assert!(
        matches!(refused, Err(WatchError::NoSuchProcess { .. })),
        "{refused:?}"
    );
    let late = watcher.register_callback(child.pid(), probe.callback());
    assert!(late.is_ok(), "{late:?}");
    probe.ran(2);
    assert_eq!(probe.exits(), [told, told]);
}

pub(super) fn the_own_process_is_refused(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let before = Footprint::now();
    let own = Pid::try_from(std::process::id()).unwrap();
    let probe = Probe::new();
    for refused in [
        watcher.register_pid(own),
        watcher.watch(own, probe.callback()).map(drop),
        watcher.try_wait(own).map(drop),
    ] {
        assert!(
            matches!(refused, Err(WatchError::OwnProcess { pid }) if pid == own),
            "{refused:?}"
        );
    }
    before.assert_unchanged();
}

pub(super) fn a_threads_id_is_refused(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let before = Footprint::now();
    // A thread of a child, and of this process.
    let refused = thread::spawn(move || {
        let thread = Pid::try_from(threads::thread_id()).unwrap();
        let refused = watcher.register_pid(thread);
        (watcher, refused)
    })
    .join()
    .unwrap();
    assert!(
        matches!(refused.1, Err(WatchError::NoSuchProcess { .. })),
        "{refused:?}"
    );
    before.assert_unchanged();
}

pub(super) fn a_callback_without_a_registration_is_refused(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    let probe = Probe::new();
    let refused = watcher.register_callback(child.pid(), probe.callback());
    assert!(
        matches!(refused, Err(WatchError::NotRegistered { pid }) if pid == child.pid()),
        "{refused:?}"
    );
    assert!(probe.captures_are_dropped());

    // Callbacks cannot be added by number to a registration that `watch` made.
    watcher.watch(child.pid(), Probe::new().callback()).unwrap();
    let refused = watcher.register_callback(child.pid(), probe.callback());
    assert!(
        matches!(refused, Err(WatchError::NotRegistered { .. })),
        "{refused:?}"
    );
    // But it can be made one.
    watcher.register_pid(child.pid()).unwrap();
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    child.die(End::Code(0));
    probe.ran_once();
}

pub(super) fn out_of_files_at_the_nth_registration(stage: &Stage<'_>) {
    const ROOM: usize = 8;
    let watcher = stage.watcher();
    let children: Vec<_> = (0..2 * ROOM)
        .map(|_| (stage.child(), Probe::new()))
        .collect();
    let watch = |(child, probe): &(Box<dyn GatedChild>, Probe)| {
        watcher.watch(child.pid(), probe.callback())
    };

    let few = limits::FewFiles::left(ROOM);
    let handles: Vec<_> = children
        .iter()
        .map_while(|child| watch(child).ok())
        .collect();
    // A process may cost more than one file.
    assert!(
        (1..=ROOM).contains(&handles.len()),
        "{} processes",
        handles.len()
    );
    let (fitting, excess) = children.split_at(handles.len());
    for child in excess {
        let refused = watch(child);
        assert!(
            matches!(&refused, Err(WatchError::ResourceLimit { pid: Some(pid), .. })
                if *pid == child.0.pid()),
            "{refused:?}"
        );
        assert!(child.1.captures_are_dropped());
    }
    // One process less, and there is room for one more.
    watcher.unregister_callback(handles[0]);
    watch(&excess[0]).unwrap();
    assert!(watch(&excess[1]).is_err());
    drop(few);
    watch(&excess[1]).unwrap();

    let fitted = fitting.len();
    for (child, _) in &children {
        child.die(End::Code(0));
    }
    let ran: Vec<_> = children[1..fitted + 2].iter().collect();
    for (_, probe) in ran {
        probe.ran_once();
    }
    stage.settle(&*watcher);
    for (_, probe) in children[..1].iter().chain(&children[fitted + 2..]) {
        assert_eq!(probe.runs(), 0);
    }
}

pub(super) fn construction_without_files_fails_cleanly(stage: &Stage<'_>) {
    let before = Footprint::now();
    for room in 0..=16 {
        let few = limits::FewFiles::left(room);
        let made = stage.backend().watcher();
        drop(few);
        match made {
            Ok(_watcher) => return,
            Err(WatchError::ResourceLimit { pid: None, .. }) => before.assert_unchanged(),
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("sixteen files were not enough");
}

pub(super) fn construction_without_memory_for_a_thread_fails_cleanly(stage: &Stage<'_>) {
    // The first watcher makes what a process makes only once, and the next thread cannot take
    // over its stack. Its thread has to be up: std aborts a thread that finds no memory for
    // its signal stack.
    let first = stage.watcher();
    let before = Footprint::now();
    stage.settle(&*first);
    // It may let go of the last child only after that one's callback.
    before.assert_unchanged();
    // A thread's stack is 2 MiB: there is room for everything but that.
    limits::limit_address_space(Some(limits::address_space_bytes() + (1 << 20)));
    let refused = stage.backend().watcher();
    limits::limit_address_space(None);
    assert!(
        matches!(refused, Err(WatchError::ResourceLimit { pid: None, .. })),
        "{refused:?}"
    );
    before.assert_unchanged();
    drop(stage.watcher());
    drop(first);
}

pub(super) fn a_refused_spawn_leaves_nothing(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let before = Footprint::now();
    let mut command = Role::Wait.command();
    command.stdin(Stdio::inherit()).stdout(Stdio::inherit());
    // Spawning opens no file that stays, so without room it is registering that
    // fails.
    let few = limits::FewFiles::left(0);
    let refused = watcher.spawn_watchable(&mut command);
    drop(few);
    let refused = refused.expect_err("a registration without a file");
    let inner = refused.get_ref().and_then(|inner| inner.downcast_ref());
    // musl's `posix_spawn` opens a pipe for a moment, so the child is refused before the
    // registration.
    let is_spawn = cfg!(target_env = "musl") && refused.raw_os_error() == Some(libc::EMFILE);
    assert!(
        is_spawn || matches!(inner, Some(WatchError::ResourceLimit { .. })),
        "{refused:?}"
    );
    before.assert_unchanged();
}

fn assert_exit_told(watcher: &dyn PidWatcher, child: &mut RealChild) {
    let probe = Probe::new();
    watcher.watch(child.pid(), probe.callback()).unwrap();
    child.die(End::Code(9));
    assert_eq!(probe.ran_once().status(), child.reap());
}
