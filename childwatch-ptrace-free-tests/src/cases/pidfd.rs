//! C19, and what C2, C13 and C16 say of pidfds: a pidfd in, and a pidfd out.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use childwatch_core::source::send_signal_to_pidfd;
use childwatch_core::{Pid, PidWatcher, PidWatcherExt, PidfdFault, WatchError};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::process::{PidfdFlags, pidfd_open};

use crate::backend::feature::Feature;
use crate::backend::stage::Stage;
use crate::kit::actor::{Actor, Role};
use crate::kit::child::End;
use crate::kit::footprint::Footprint;
use crate::kit::own_proc;
use crate::kit::probe::Probe;
use crate::kit::sys::limits;

fn open(pid: Pid) -> OwnedFd {
    open_with(pid, PidfdFlags::empty()).expect("a pidfd")
}

fn open_with(pid: Pid, flags: PidfdFlags) -> io::Result<OwnedFd> {
    let number = rustix::process::Pid::from_raw(pid.as_raw()).expect("a Pid is positive");
    Ok(pidfd_open(number, flags)?)
}

/// What `/proc` shows of an open file.
fn info(file: &OwnedFd) -> String {
    let path = own_proc::in_own_proc("fdinfo").join(file.as_raw_fd().to_string());
    fs::read_to_string(path).expect("an open file has an entry")
}

/// The number of the process of a pidfd: -1 when it has been reaped. Linux 5.4 shows the former number
/// then.
fn number(pidfd: &OwnedFd) -> i32 {
    let signalled = send_signal_to_pidfd(pidfd, 0).map_err(|error| error.raw_os_error());
    if signalled == Err(Some(Errno::SRCH.raw_os_error())) {
        return -1;
    }
    let info = info(pidfd);
    let mut lines = info.lines();
    let number = lines.find_map(|line| line.strip_prefix("Pid:"));
    number.expect("a pidfd").trim().parse().expect("a number")
}

pub(super) fn a_process_is_registered_by_its_pidfd(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    for is_zombie in [false, true] {
        let mut child = stage.child();
        let pidfd = open(child.pid());
        if is_zombie {
            child.die(End::Code(7));
        }
        let (probe, joined) = (Probe::new(), Probe::new());
        let handle = watcher
            .watch_pidfd(pidfd.as_fd(), joined.callback())
            .unwrap();
        assert_eq!(handle.pid(), child.pid());
        let pid = watcher.register_pidfd(pidfd.as_fd()).unwrap();
        assert_eq!(pid, child.pid(), "another process is registered");
        let by_pid = watcher.register_pid(pid);
        let another = open(pid);
        for refused in [
            by_pid.map(|()| pid),
            watcher.register_pidfd(another.as_fd()),
        ] {
            assert!(
                matches!(refused, Err(WatchError::AlreadyRegistered { pid: named }) if named == pid),
                "{refused:?}"
            );
        }
        watcher.register_callback(pid, probe.callback()).unwrap();
        let late = watcher.on_pidfd_exit(&another, |_| ()).unwrap();
        drop((pidfd, another));
        if !is_zombie {
            stage.settle(&*watcher);
            assert_eq!(probe.runs(), 0);
            child.die(End::Code(7));
        }
        let exits = [probe.ran_once(), joined.ran_once()];
        let status = child.reap();
        for exit in exits {
            assert_eq!((exit.pid(), exit.status()), (pid, status));
        }
        watcher.unregister_callback(late);
        watcher.unregister_pid(pid);
    }

    // A process that is no child.
    let mut parent = Actor::start(&mut Role::KeepChild.command());
    let grandchild: Pid = parent.line().parse().unwrap();
    let probe = Probe::new();
    let handle = watcher.watch_pidfd(open(grandchild).as_fd(), probe.callback());
    assert_eq!(handle.unwrap().pid(), grandchild);
    parent.cue();
    assert_eq!(parent.line(), "dead");
    assert_eq!(probe.ran_once().pid(), grandchild);
    parent.cue();
    assert_eq!(parent.line(), "reaped");
}

pub(super) fn an_offered_pidfd_stays_the_callers(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut child = stage.child();
    let pidfd = open(child.pid());
    // As it may come from another process.
    let status = fcntl_getfl(&pidfd).unwrap() | OFlags::NONBLOCK;
    fcntl_setfl(&pidfd, status).unwrap();
    fcntl_setfd(&pidfd, FdFlags::empty()).unwrap();
    let is_as_it_was = || {
        assert_eq!(number(&pidfd), child.pid().as_raw(), "it is another file");
        assert_eq!(fcntl_getfl(&pidfd).unwrap(), status, "its flags");
        assert_eq!(fcntl_getfd(&pidfd).unwrap(), FdFlags::empty(), "its flags");
    };
    let probe = Probe::new();
    let pid = watcher.register_pidfd(pidfd.as_fd()).unwrap();
    is_as_it_was();
    assert!(watcher.register_pidfd(pidfd.as_fd()).is_err());
    is_as_it_was();
    watcher.register_callback(pid, probe.callback()).unwrap();
    assert_eq!(watcher.try_wait(pid).unwrap(), None);
    is_as_it_was();
    // The number belongs to another file when the process exits.
    let raw = pidfd.as_raw_fd();
    drop(pidfd);
    let other = File::open("/dev/zero").unwrap();
    assert_eq!(other.as_raw_fd(), raw, "the lowest number that is free");
    child.die(End::Code(7));
    assert_eq!(probe.ran_once().status(), child.reap());
    watcher.unregister_pid(pid);
    assert!(fcntl_getfd(&other).is_ok(), "the watcher has closed it");
}

pub(super) fn a_pidfd_that_is_asked_for_means_the_registered_process(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut child = stage.child();
    let pid = child.pid();
    let refused = watcher.pidfd(pid);
    assert!(
        matches!(refused, Err(WatchError::NotRegistered { pid: named }) if named == pid),
        "{refused:?}"
    );
    watcher.register_pidfd(open(pid).as_fd()).unwrap();
    let few = limits::FewFiles::left(0);
    let refused = watcher.pidfd(pid);
    drop(few);
    assert!(
        matches!(refused, Err(WatchError::ResourceLimit { pid: Some(named), .. }) if named == pid),
        "{refused:?}"
    );
    let asked = || {
        let pidfd = watcher.pidfd(pid).unwrap();
        let flags = fcntl_getfd(&pidfd).unwrap();
        assert!(flags.contains(FdFlags::CLOEXEC), "a program inherits it");
        assert!(pidfd.as_raw_fd() > 2, "it is a standard stream's");
        pidfd
    };
    let first = asked();
    assert_eq!(number(&first), pid.as_raw());
    // What the caller does with a duplicate changes nothing for the watcher.
    let flags = fcntl_getfl(&first).unwrap() | OFlags::NONBLOCK;
    fcntl_setfl(&first, flags).unwrap();
    drop(asked());
    let probe = Probe::new();
    watcher.register_callback(pid, probe.callback()).unwrap();
    stage.settle(&*watcher);
    assert_eq!(probe.runs(), 0);
    child.die(End::Code(7));
    assert_eq!(number(&asked()), pid.as_raw());
    assert_eq!(probe.ran_once().status(), child.reap());
    assert_eq!(number(&asked()), -1, "the process has been reaped");
    watcher.unregister_pid(pid);
    assert!(watcher.pidfd(pid).is_err());
    assert_eq!(number(&first), -1, "it is the caller's");
}

/// The kernel knows what epoll watches by the file and the number. The file lives as long as
/// anyone has a duplicate.
pub(super) fn duplicates_that_are_kept_harm_no_later_registration(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut child = stage.child();
    let pidfd = open(child.pid());
    let register = || watcher.register_pidfd(pidfd.as_fd()).unwrap();
    for round in 0..6 {
        if round == 2 {
            child.die(End::Code(7));
        }
        let pid = register();
        let kept = watcher.pidfd(pid).unwrap();
        if round >= 2 {
            let probe = Probe::new();
            watcher.register_callback(pid, probe.callback()).unwrap();
            probe.ran_once();
        }
        watcher.unregister_pid(pid);
        // The next duplicate of the watcher gets the number of the last one.
        drop(kept);
    }
    super::status::assert_no_spin(&*watcher, stage);
    child.reap();
}

pub(super) fn pidfds_are_offered_or_unsupported(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let parent = Pid::try_from(rustix::process::getppid().unwrap().as_raw_nonzero().get()).unwrap();
    if stage.backend().offers(Feature::Pidfds).is_ok() {
        let pid = watcher.register_pidfd(open(parent).as_fd()).unwrap();
        assert_eq!(pid, parent);
        assert_eq!(number(&watcher.pidfd(pid).unwrap()), parent.as_raw());
        return;
    }
    let child = stage.child();
    watcher.register_pid(child.pid()).unwrap();
    // A pidfd, where the kernel has them.
    let offered = open_with(parent, PidfdFlags::empty());
    let is_pidfd = offered.is_ok();
    let file = offered.unwrap_or_else(|_| File::open("/dev/null").unwrap().into());
    let probe = Probe::new();
    for refused in [
        watcher.register_pidfd(file.as_fd()).map(drop),
        watcher
            .watch_pidfd(file.as_fd(), probe.callback())
            .map(drop),
    ] {
        match refused {
            Err(WatchError::Unsupported { .. }) => {}
            // That is true of this file, whatever the backend offers.
            Err(WatchError::UnusablePidfd { .. }) if !is_pidfd => {}
            refused => panic!("{refused:?}"),
        }
    }
    let refused = watcher.pidfd(child.pid());
    assert!(
        matches!(refused, Err(WatchError::Unsupported { .. })),
        "{refused:?}"
    );
    assert!(probe.captures_are_dropped());
    child.die(End::Code(0));
}

pub(super) fn what_cannot_be_registered_by_a_pidfd_is_refused(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let (mut reaped, child) = (stage.child(), stage.child());
    let own = Pid::try_from(std::process::id()).unwrap();
    let null = File::open("/dev/null").unwrap().into();
    let proc = File::open(own_proc::in_own_proc("")).unwrap().into();
    let mut files: Vec<(&str, OwnedFd, Option<PidfdFault>)> = vec![
        ("/dev/null", null, Some(PidfdFault::NoPidfd)),
        ("/proc/self", proc, Some(PidfdFault::NoPidfd)),
        (
            "a reaped child",
            open(reaped.pid()),
            Some(PidfdFault::Reaped),
        ),
        ("the program itself", open(own), None),
    ];
    // PIDFD_THREAD (Linux 6.9).
    let of_a_thread = PidfdFlags::from_bits_retain(OFlags::EXCL.bits());
    let thread = open_with(child.pid(), of_a_thread).ok();
    files.extend(thread.map(|pidfd| ("a thread", pidfd, Some(PidfdFault::Thread))));
    let pidfd = open(child.pid());
    reaped.die(End::Code(0));
    reaped.reap();
    let before = Footprint::now();
    for (of, file, expected) in &files {
        let probe = Probe::new();
        for refused in [
            watcher.register_pidfd(file.as_fd()).map(drop),
            watcher
                .watch_pidfd(file.as_fd(), probe.callback())
                .map(drop),
        ] {
            let found = match &refused {
                Err(WatchError::UnusablePidfd { reason, .. }) => Some(*reason),
                Err(WatchError::OwnProcess { pid }) if *pid == own => None,
                other => panic!("a descriptor of {of}: {other:?}"),
            };
            assert_eq!(found, *expected, "a descriptor of {of}");
        }
        assert!(probe.captures_are_dropped());
    }
    let few = limits::FewFiles::left(0);
    let refused = watcher.register_pidfd(pidfd.as_fd());
    drop(few);
    assert!(
        // Without files the pid may be unknown.
        matches!(refused, Err(WatchError::ResourceLimit { pid, .. }) if pid.is_none_or(|pid| pid == child.pid())),
        "{refused:?}"
    );
    before.assert_unchanged();
    assert!(watcher.pidfd(child.pid()).is_err(), "it is registered");
}

pub(super) fn a_pidfd_means_a_process_and_not_its_number(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut old = stage.child();
    let pid = old.pid();
    let olds = open(pid);
    let (first, second) = (Probe::new(), Probe::new());
    watcher.register_pidfd(olds.as_fd()).unwrap();
    watcher.register_callback(pid, first.callback()).unwrap();
    old.die(End::Code(1));
    let told = first.ran_once();
    assert_eq!(told.status(), old.reap());

    let mut new = stage.successor(&*old);
    assert_eq!(
        number(&watcher.pidfd(pid).unwrap()),
        -1,
        "the new process's"
    );
    let is_reaped = |refused: Result<Pid, WatchError>| {
        let reason = PidfdFault::Reaped;
        assert!(
            matches!(&refused, Err(WatchError::UnusablePidfd { reason: why, .. }) if *why == reason),
            "{refused:?} for a process that has been reaped"
        );
    };
    is_reaped(watcher.register_pidfd(olds.as_fd()));
    let news = open(pid);
    assert_eq!(watcher.register_pidfd(news.as_fd()).unwrap(), pid);
    is_reaped(watcher.register_pidfd(olds.as_fd()));
    assert_eq!(number(&watcher.pidfd(pid).unwrap()), pid.as_raw());
    watcher.register_callback(pid, second.callback()).unwrap();
    stage.settle(&*watcher);
    assert_eq!(
        second.runs(),
        0,
        "the old process's exit fired for the new one"
    );
    new.die(End::Code(2));
    assert_eq!(second.ran_once().status(), new.reap());
    first.ran_once();
}

pub(super) fn registrations_by_pidfd_leave_nothing(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    let pidfd = open(child.pid());
    let cycle = || {
        let pid = watcher.register_pidfd(pidfd.as_fd()).unwrap();
        drop(watcher.pidfd(pid).unwrap());
        let handle = watcher.on_pidfd_exit(&pidfd, |_| ()).unwrap();
        watcher.unregister_callback(handle);
        watcher.unregister_pid(pid);
        let handle = watcher.on_pidfd_exit(&pidfd, |_| ()).unwrap();
        watcher.unregister_callback(handle);
    };
    cycle();
    stage.settle(&*watcher);
    let before = Footprint::now();
    (0..500).for_each(|_| cycle());
    before.assert_not_grown();
    let inherited = inheritable();
    cycle();
    let pid = watcher.register_pidfd(pidfd.as_fd()).unwrap();
    assert_eq!(inheritable(), inherited, "a program inherits a pidfd");
    watcher.unregister_pid(pid);
    child.die(End::Code(0));
}

/// How many files a program would inherit. The listing reads itself.
fn inheritable() -> usize {
    /// `O_CLOEXEC`, in octal, as `/proc` shows it.
    const CLOSE_ON_EXEC: u64 = 0o2_000_000;
    let entries = fs::read_dir(own_proc::in_own_proc("fdinfo")).expect("/proc");
    let flags = entries.filter_map(|entry| {
        let info = fs::read_to_string(entry.ok()?.path()).ok()?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
        u64::from_str_radix(flags.trim(), 8).ok()
    });
    flags.filter(|flags| flags & CLOSE_ON_EXEC == 0).count()
}

/// The calls of C19 with a pidfd, for cases that call everything. What a watcher does not offer,
/// it refuses.
pub(super) fn call_with_pidfds(watcher: &dyn PidWatcher, pid: Pid, pidfd: BorrowedFd<'_>) {
    let _ = watcher.register_pidfd(pidfd);
    drop(watcher.pidfd(pid));
    if let Ok(handle) = watcher.watch_pidfd(pidfd, Probe::new().callback()) {
        watcher.unregister_callback(handle);
    }
}
