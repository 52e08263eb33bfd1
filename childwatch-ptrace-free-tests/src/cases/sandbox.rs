//! What a kernel or sandbox may refuse: while the watcher is made, once it has been made, and
//! for a while.

use std::fmt::Debug;

use childwatch_core::{Pid, PidWatcher, WatchError};
use rustix::io::Errno;

use crate::backend::feature::Feature;
use crate::backend::stage::{Settling, Stage};
use crate::kit::child::{End, GatedChild};
use crate::kit::footprint::Footprint;
use crate::kit::probe::Probe;
use crate::kit::sys::{permits, signals, traps};
use crate::machine::refusal::{Refusal, refuse_in_process, trap_in_process, with_refused};

use Kind::{ResourceLimit, Unsupported};

/// What `pidfd_open` answers where it isn't offered: an old kernel or a stub, and
/// profiles of containers.
const NOT_OFFERED: [Errno; 3] = [Errno::NOSYS, Errno::PERM, Errno::ACCESS];

/// What any call answers that makes a file, when there is no room for it.
const SHORTAGES: [Errno; 3] = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];

/// The errors that a refused call may return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Unsupported,
    ResourceLimit,
}

pub(super) fn a_watcher_is_made_where_its_backend_is_available(stage: &Stage<'_>) {
    let before = Footprint::now();
    match (stage.backend().is_available(), stage.backend().watcher()) {
        (Ok(()), Ok(watcher)) => stage.settle(&*watcher),
        (
            Err(_),
            Err(
                WatchError::Unsupported { pid: None, .. }
                | WatchError::ResourceLimit { pid: None, .. },
            ),
        ) => {}
        (available, made) => panic!("{made:?}, where availability is {available:?}"),
    }
    before.assert_unchanged();
}

pub(super) fn construction_without_pidfds_is_unsupported(stage: &Stage<'_>) {
    let nothing = Footprint::now();
    for errno in NOT_OFFERED {
        let made = made_with_refused(stage, &[Refusal::pidfd_open(errno)]);
        assert_refused(made, Unsupported, None, errno);
        nothing.assert_unchanged();
    }
    // Linux 5.3.
    let made = made_with_refused(stage, &[Refusal::waitid_of_pidfds(Errno::INVAL)]);
    assert_refused(made, Unsupported, None, Errno::INVAL);
    nothing.assert_unchanged();
}

pub(super) fn construction_short_of_pidfds_is_a_resource_limit(stage: &Stage<'_>) {
    let nothing = Footprint::now();
    for errno in SHORTAGES {
        let made = made_with_refused(stage, &[Refusal::pidfd_open(errno)]);
        assert_refused(made, ResourceLimit, None, errno);
        nothing.assert_unchanged();
    }
}

pub(super) fn each_call_of_the_construction_may_fail(stage: &Stage<'_>) {
    let nothing = Footprint::now();
    let files = SHORTAGES.into_iter().flat_map(|errno| {
        [libc::SYS_epoll_create1, libc::SYS_eventfd2].map(|call| (Refusal::of(call, errno), errno))
    });
    for (refusal, errno) in files.chain(epoll_shortages()) {
        match made_with_refused(stage, &[refusal]) {
            // It does without that call.
            Ok(watcher) => stage.settle(&*watcher),
            refused => assert_refused(refused, ResourceLimit, None, errno),
        }
        nothing.assert_unchanged();
    }
    // EAGAIN: RLIMIT_NPROC, or the control group's pids.max.
    let made = made_with_refused(stage, &Refusal::new_thread(Errno::AGAIN));
    assert_refused(made, ResourceLimit, None, Errno::AGAIN);
    nothing.assert_unchanged();
    // Without a mask the watcher's thread would run the program's handlers.
    if stage.backend().offers(Feature::OwnThread).is_ok() {
        let masks = Refusal::of(libc::SYS_rt_sigprocmask, Errno::PERM);
        let made = made_with_refused(stage, &[masks.with(0, libc::SIG_SETMASK as u32)]);
        assert_refused(made, Unsupported, None, Errno::PERM);
        nothing.assert_unchanged();
    }
}

pub(super) fn construction_without_a_pid_namespace_for_threads_says_so(stage: &Stage<'_>) {
    let nothing = Footprint::now();
    // From now on this process can have children, but no threads.
    permits::leave_pid_namespace().unwrap();
    let refused = stage.backend().watcher().map(drop).unwrap_err();
    nothing.assert_unchanged();
    // musl gives this error to each thread that the kernel refuses.
    if cfg!(target_env = "musl") {
        return assert_refused::<()>(Err(refused), ResourceLimit, None, Errno::AGAIN);
    }
    let text = refused.to_string();
    assert!(text.contains("pid namespace"), "{text}");
    assert_refused::<()>(Err(refused), Unsupported, None, Errno::INVAL);
}

pub(super) fn a_shortage_is_told_and_not_latched(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let pidfds = SHORTAGES.map(|errno| (Refusal::pidfd_open(errno), errno));
    let mut newcomers: Vec<_> = pidfds
        .into_iter()
        .chain(epoll_shortages())
        .map(|refused| (stage.child(), refused))
        .collect();
    let before = Footprint::now();
    for (child, (refusal, errno)) in &mut newcomers {
        // The filter ends with its thread.
        let does_without = with_refused(&[*refusal], || {
            let probe = Probe::new();
            let does_without = watcher.watch(child.pid(), probe.callback()).is_ok();
            if does_without {
                child.die(End::Code(4));
                probe.ran_once();
            } else {
                refuses_newcomer(&*watcher, &**child, ResourceLimit, *errno);
            }
            does_without
        });
        before.assert_unchanged();
        let probe = Probe::new();
        watcher.watch(child.pid(), probe.callback()).unwrap();
        if !does_without {
            child.die(End::Code(4));
        }
        assert_eq!(probe.ran_once().status(), child.reap());
    }
}

pub(super) fn a_refusal_to_wait_for_pidfds_is_not_latched(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let (mut first, mut second) = (stage.child(), stage.child());
    let before = Footprint::now();
    let unheard = Probe::new();
    let refused = with_refused(&[Refusal::waitid_of_pidfds(Errno::PERM)], || {
        watcher.watch(first.pid(), unheard.callback())
    });
    // It may do without asking.
    if refused.is_err() {
        assert_refused(refused, Unsupported, Some(first.pid()), Errno::PERM);
        assert!(unheard.captures_are_dropped());
        before.assert_unchanged();
    }
    let probe = Probe::new();
    for child in [&mut first, &mut second] {
        watcher.watch(child.pid(), probe.callback()).unwrap();
        child.die(End::Code(0));
    }
    probe.ran(2);
    first.reap();
    second.reap();
}

pub(super) fn what_cannot_be_asked_about_is_not_taken_for_a_child(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut gone = stage.child();
    gone.die(End::Code(0));
    gone.reap();
    let before = Footprint::now();
    for errno in NOT_OFFERED.into_iter().chain([Errno::INVAL]) {
        let refusal = Refusal::of(libc::SYS_waitid, errno).with(0, libc::P_PID);
        match with_refused(&[refusal], || watcher.register_pid(gone.pid())) {
            // It asks in another way.
            Err(WatchError::NoSuchProcess { .. }) => {}
            refused => assert_refused(refused, Unsupported, Some(gone.pid()), errno),
        }
        before.assert_unchanged();
    }
    stage.settle(&*watcher);
}

pub(super) fn a_filter_set_up_later_refuses_only_new_processes(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let (mut watched, mut registered) = (stage.child(), stage.child());
    let (early, late) = (Probe::new(), Probe::new());
    watcher.watch(watched.pid(), early.callback()).unwrap();
    watcher.register_pid(registered.pid()).unwrap();

    let newcomer = stage.child();
    let before = Footprint::now();
    let unsupported = NOT_OFFERED.map(|errno| (errno, Unsupported));
    let short = SHORTAGES.map(|errno| (errno, ResourceLimit));
    for (errno, kind) in unsupported.into_iter().chain(short) {
        refuse_in_process(&[Refusal::pidfd_open(errno)]).unwrap();
        refuses_newcomer(&*watcher, &*newcomer, kind, errno);
        before.assert_unchanged();
    }

    watcher
        .register_callback(registered.pid(), late.callback())
        .unwrap();
    for (child, probe) in [(&mut watched, &early), (&mut registered, &late)] {
        child.die(End::Code(5));
        assert_eq!(probe.ran_once().status(), child.reap());
    }
}

pub(super) fn a_filter_set_up_later_hides_no_exit(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let watch_four = || {
        [(); 4].map(|()| {
            let (child, probe) = (stage.child(), Probe::new());
            watcher.watch(child.pid(), probe.callback()).unwrap();
            (child, probe)
        })
    };
    let mut children: Vec<_> = watch_four().into();
    for errno in NOT_OFFERED.into_iter().chain(SHORTAGES) {
        refuse_in_process(&[Refusal::pidfd_open(errno)]).unwrap();
        children.extend(watch_four());
    }
    for (code, (child, _)) in (0..).zip(&children) {
        child.die(End::Code(code));
    }
    for (child, probe) in &mut children {
        assert_eq!(probe.ran_once().status(), child.reap());
    }
    stage.settle(&*watcher);
    for (_, probe) in &children {
        probe.ran_once();
    }
}

pub(super) fn an_exit_whose_status_is_hidden_is_told_truly(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut child = stage.child();
    let probe = Probe::new();
    watcher.watch(child.pid(), probe.callback()).unwrap();
    let settling = [(); 2].map(|()| stage.settling(&*watcher));
    let questions = [
        Refusal::waitid_of_pidfds(Errno::PERM),
        Refusal::pidfd_get_info(Errno::PERM),
    ];
    refuse_in_process(&questions).unwrap();
    child.die(End::Code(6));
    super::status::assert_unknown_or(probe.ran_once(), 6);
    assert_eq!(child.reap().unwrap().code(), Some(6));
    settling.into_iter().for_each(Settling::end);
    probe.ran_once();
}

pub(super) fn a_call_that_a_sandbox_traps_ends_no_thread(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let mut child = stage.child();
    let probe = Probe::new();
    watcher.watch(child.pid(), probe.callback()).unwrap();
    let settling = [(); 2].map(|()| stage.settling(&*watcher));
    let occupied = stage.occupy(&*watcher);
    traps::answer_trapped_calls();
    trap_in_process(Refusal::pidfd_get_info(Errno::NOSYS)).unwrap();
    child.die(End::Code(6));
    // What a watcher by pidfds asks of a reaped child is the call that is trapped.
    child.reap();
    occupied.release();
    super::status::assert_unknown_or(probe.ran_once(), 6);
    settling.into_iter().for_each(Settling::end);
    probe.ran_once();
}

pub(super) fn drop_ends_a_thread_that_cannot_wait_any_more(stage: &Stage<'_>) {
    let before = Footprint::now();
    let watcher = stage.watcher();
    let thread = super::status::watchers_thread(&*watcher, stage);
    let (dying, living) = (stage.child(), stage.child());
    let (last, never) = (Probe::new(), Probe::new());
    watcher.watch(dying.pid(), last.callback()).unwrap();
    watcher.watch(living.pid(), never.callback()).unwrap();
    refuse_in_process(&Refusal::epoll_waits(Errno::PERM)).unwrap();
    // A wait that had begun ends with this exit; the next is refused.
    dying.die(End::Code(0));
    super::status::assert_idle(thread);
    drop(watcher);
    assert!(last.captures_are_dropped() && never.captures_are_dropped());
    assert_eq!(never.runs(), 0);
    drop((dying, living));
    before.assert_unchanged();
}

/// What `epoll_ctl` answers that finds no room. ENOSPC: `fs.epoll.max_user_watches`.
fn epoll_shortages() -> [(Refusal, Errno); 2] {
    [Errno::NOMEM, Errno::NOSPC].map(|errno| (Refusal::epoll_add(errno), errno))
}

/// What a thread gets that makes a watcher while these calls are refused to it.
fn made_with_refused(
    stage: &Stage<'_>,
    refusals: &[Refusal],
) -> Result<Box<dyn PidWatcher>, WatchError> {
    with_refused(refusals, || {
        let before = signals::blocked_signals();
        let made = stage.backend().watcher();
        assert_eq!(signals::blocked_signals(), before, "{refusals:?}");
        made
    })
}

/// Checks that a process can't be registered in either way, and is not.
#[track_caller]
fn refuses_newcomer(watcher: &dyn PidWatcher, child: &dyn GatedChild, kind: Kind, errno: Errno) {
    let probe = Probe::new();
    let refused = watcher.watch(child.pid(), probe.callback());
    assert!(probe.captures_are_dropped());
    assert_refused(refused, kind, Some(child.pid()), errno);
    let refused = watcher.register_pid(child.pid());
    assert_refused(refused, kind, Some(child.pid()), errno);
    let refused = watcher.register_callback(child.pid(), probe.callback());
    assert!(
        matches!(refused, Err(WatchError::NotRegistered { .. })),
        "{refused:?}"
    );
}

/// Checks the error's kind, its process, and its source, which is the kernel's error.
#[track_caller]
fn assert_refused<T: Debug>(
    refused: Result<T, WatchError>,
    kind: Kind,
    process: Option<Pid>,
    errno: Errno,
) {
    let told = match &refused {
        Err(WatchError::Unsupported { pid, source, .. }) => (Unsupported, *pid, source),
        Err(WatchError::ResourceLimit { pid, source, .. }) => (ResourceLimit, *pid, source),
        other => panic!("{other:?}, where {kind:?} for {errno} was expected"),
    };
    let (told_kind, told_process, source) = told;
    let told = (told_kind, told_process, Errno::from_io_error(source));
    assert_eq!(told, (kind, process, Some(errno)));
}
