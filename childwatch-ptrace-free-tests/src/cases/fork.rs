//! C15: forked copies of the process.

#![expect(
    unsafe_code,
    reason = "forked copies, and what they must not unwind into"
)]

use std::convert::Infallible;
use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::process::{ExitStatus, exit};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use childwatch_core::{
    ExitCallback, Pid, PidWatcher, PidWatcherExt, Unregistered, WatchError, WatchHandle,
};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::backend::stage::Stage;
use crate::kit::child::{End, GatedChild};
use crate::kit::probe::Probe;
use crate::kit::sys::signals::SigchldAction;
use crate::kit::sys::{birth, death, limits, permits, receive, users};
use crate::kit::{deadline, footprint};
use crate::machine::refusal::{Refusal, refuse_in_process};

/// Runs `body` in a forked copy of this process, which must answer that all is
/// well within the deadline.
pub(super) fn in_a_copy(what: &str, body: impl FnOnce() -> bool) {
    // SAFETY: the bodies call watchers, for which it is under test that they do
    // nothing unsound in a copy, and compare plain values. A panic would abort
    // the copy: it does not unwind past `fork_copy`.
    let copy = unsafe { birth::fork_copy(|| i32::from(!body())) }.unwrap();
    let is_over = deadline::holds_within(deadline::patience(), || death::is_waitable(copy));
    if !is_over {
        death::kill(copy);
    }
    let status = death::reap(copy).unwrap();
    assert!(is_over, "{what}: the copy hangs");
    assert!(status.success(), "{what}: the copy's {status}");
}

pub(super) fn every_call_in_a_copy_answers_forked(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let (child, dead, held, awaited) = (stage.child(), stage.child(), stage.child(), stage.child());
    let (probe, later) = (Probe::new(), Probe::new());
    watcher.register_pid(child.pid()).unwrap();
    let handle = watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    watcher.register_pid(dead.pid()).unwrap();
    dead.die(End::Code(0));
    // The two that a call in the parent would give back.
    watcher.register_pid(held.pid()).unwrap();
    let future = ManuallyDrop::new(watcher.exited(awaited.pid()).unwrap());

    // With the watcher's thread inside a callback, and idle.
    let mut occupied = Some(stage.occupy(&*watcher));
    for _ in 0..2 {
        let callbacks = [(); 3].map(|()| Probe::new().callback());
        in_a_copy("every call", || {
            // SAFETY: each copy of the process has a copy of its own, dropped once.
            drop(ManuallyDrop::into_inner(unsafe {
                std::ptr::read(&raw const future)
            }));
            watcher.unregister_pid(held.pid());
            calls_answer_forked(&*watcher, &*child, &*dead, handle, callbacks)
        });
        drop(occupied.take());
    }

    stage.settle(&*watcher);
    assert_eq!(probe.runs(), 0);
    child.die(End::Code(0));
    probe.ran_once();
    // What the copy's calls meant is there still.
    watcher
        .register_callback(held.pid(), later.callback())
        .unwrap();
    held.die(End::Code(0));
    later.ran_once();
    let mut future = ManuallyDrop::into_inner(future);
    awaited.die(End::Code(0));
    deadline::until("the future resolves", || {
        let mut context = Context::from_waker(Waker::noop());
        matches!(
            Pin::new(&mut future).poll(&mut context),
            Poll::Ready(Some(_))
        )
    });
}

fn calls_answer_forked(
    watcher: &dyn PidWatcher,
    child: &dyn GatedChild,
    dead: &dyn GatedChild,
    handle: WatchHandle,
    [first, second, third]: [ExitCallback; 3],
) -> bool {
    let is_forked = |refused: Result<(), WatchError>| matches!(refused, Err(WatchError::Forked));
    // A watcher that offers no pidfds may say that first.
    let is_refused = |refused: Result<(), WatchError>| {
        matches!(
            refused,
            Err(WatchError::Forked | WatchError::Unsupported { .. })
        )
    };
    let input = std::io::stdin();
    watcher.unregister_pid(child.pid());
    watcher.unregister_callback(handle) == Unregistered::NotPending
        && is_forked(watcher.try_wait(dead.pid()).map(drop))
        && is_forked(watcher.register_pid(dead.pid()))
        && is_forked(watcher.register_callback(dead.pid(), first).map(drop))
        && is_forked(watcher.watch(child.pid(), second).map(drop))
        && is_refused(watcher.register_pidfd(input.as_fd()).map(drop))
        && is_refused(watcher.watch_pidfd(input.as_fd(), third).map(drop))
        && is_refused(watcher.pidfd(dead.pid()).map(drop))
        && is_refused(watcher.send_signal(child.pid(), libc::SIGKILL))
        && watcher.stats().is_none()
}

pub(super) fn drop_in_a_copy_returns_at_once(stage: &Stage<'_>) {
    let watcher = ManuallyDrop::new(stage.watcher());
    let child = stage.child();
    let probe = Probe::new();
    watcher.watch(child.pid(), probe.callback()).unwrap();
    let drop_the_copy = || {
        // SAFETY: each copy of the process has a copy of its own, dropped once.
        let watcher = unsafe { std::ptr::read(&raw const watcher) };
        in_a_copy("drop", || {
            drop(ManuallyDrop::into_inner(watcher));
            // What is captured may be the parent's to clean up.
            !probe.captures_are_dropped()
        });
    };
    drop_the_copy();
    let occupied = stage.occupy(&**watcher);
    drop_the_copy();
    occupied.release();

    stage.settle(&**watcher);
    assert_eq!(probe.runs(), 0);
    child.die(End::Code(0));
    probe.ran_once();
    drop(ManuallyDrop::into_inner(watcher));
}

pub(super) fn a_copy_may_make_a_watcher_of_its_own(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    // Its thread has to be up: std holds a lock while it starts one (1.95), and in a
    // copy made meanwhile no thread ever starts.
    stage.settle(&*watcher);
    in_a_copy("a watcher of its own", || {
        let own = Pid::try_from(std::process::id()).unwrap();
        has_a_watcher_of_its_own(stage)
            && matches!(watcher.register_pid(own), Err(WatchError::Forked))
    });
    // A server's worker does this first of all.
    in_a_copy(
        "a watcher of its own, after it has reset its signals",
        || {
            let _reset = SigchldAction::default_action();
            has_a_watcher_of_its_own(stage)
        },
    );
    stage.settle(&*watcher);
}

/// Wiping pages in copies is promised there, and not done.
pub(super) fn a_copy_is_known_where_advice_is_ignored(stage: &Stage<'_>) {
    refuse_in_process(&[Refusal::ignored(libc::SYS_madvise)]).unwrap();
    every_call_in_a_copy_answers_forked(stage);
    drop_in_a_copy_returns_at_once(stage);
}

/// Both are process 1, each of its own namespace, and no page is wiped.
pub(super) fn a_copy_with_the_same_pid_is_known(stage: &Stage<'_>) {
    refuse_in_process(&[Refusal::ignored(libc::SYS_madvise)]).unwrap();
    permits::leave_pid_namespace().unwrap();
    in_a_copy("the first process 1", || {
        let watcher = stage.watcher();
        let mut child = stage.child();
        let probe = Probe::new();
        watcher.watch(child.pid(), probe.callback()).unwrap();
        stage.settle(&*watcher);
        permits::leave_pid_namespace().unwrap();
        in_a_copy("the second process 1", || {
            std::process::id() == 1
                && matches!(watcher.register_pid(child.pid()), Err(WatchError::Forked))
        });
        child.die(End::Code(3));
        let told = probe.ran_once().status() == child.reap();
        told && std::process::id() == 1
    });
}

/// Watches a child of this process, which may be a copy, with a watcher of its own.
fn has_a_watcher_of_its_own(stage: &Stage<'_>) -> bool {
    let own = stage.watcher();
    let mut child = stage.child();
    let probe = Probe::new();
    own.watch(child.pid(), probe.callback()).unwrap();
    child.die(End::Code(3));
    let told = probe.ran_once();
    child.reap();
    drop(own);
    told.status().is_some_and(|status| status.code() == Some(3))
}

/// A thread is in the handler of `SIGCHLD`, in the action of another library, when the
/// process is forked. In the copy it never leaves it.
pub(super) fn a_copy_made_beside_a_running_handler_may_make_its_own(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    stage.settle(&*watcher);
    let held = receive::HeldHandler::begin();
    in_a_copy("a watcher of its own", || {
        receive::HeldHandler::pass_by();
        has_a_watcher_of_its_own(stage)
    });
    held.end();
    stage.settle(&*watcher);
}

pub(super) fn a_copy_that_holds_the_fds_makes_no_stale_event(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    // Its first process may cost files that stay.
    stage.settle(&*watcher);
    stage.rest();
    let entries = footprint::epoll_entries();
    let mut child = stage.child();
    let probe = Probe::new();
    let handle = watcher.watch(child.pid(), probe.callback()).unwrap();
    // Forked after the registration, so it has a copy of every fd there is.
    let copy = stage.child();
    assert_eq!(
        watcher.unregister_callback(handle),
        Unregistered::WillNotRun
    );
    let left = footprint::epoll_entries();
    child.die(End::Code(0));
    child.reap();
    stage.settle(&*watcher);
    super::status::assert_no_spin(&*watcher, stage);
    assert_eq!(probe.runs(), 0);
    assert_eq!(left, entries, "epoll still watches what was unregistered");
    drop(copy);
}

/// Reads the next four bytes that a callback has written: the number of a process. `None` when none
/// is left.
fn next_number(from: &OwnedFd) -> Option<u32> {
    let mut number = [0; 4];
    match rustix::io::read(from, &mut number) {
        Ok(4) => Some(u32::from_ne_bytes(number)),
        _ => None,
    }
}

pub(super) fn a_copy_made_in_a_callback_ends_when_that_returns(stage: &Stage<'_>) {
    for fork in [birth::Fork::Library, birth::Fork::Raw] {
        let watcher = stage.watcher();
        let (from, to) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        let to = Arc::new(to);
        let probe = Probe::new();
        let children: Vec<_> = (0..40).map(|_| stage.child()).collect();
        for child in &children {
            let to = Arc::clone(&to);
            let callback = probe.callback_then(move |_| {
                let _ = rustix::io::write(&*to, &std::process::id().to_ne_bytes());
            });
            watcher.watch(child.pid(), callback).unwrap();
        }
        let forking = stage.child();
        // No channel: its receiver allocates when it begins to wait. The raw copy could then find the
        // allocator locked for ever, when the callback that it returns from is freed.
        let (told, tell) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        let forks = move |_| {
            // SAFETY: the copy returns to the watcher's thread, and that is under test. The
            // copy does not touch its captures.
            match unsafe { birth::fork_twin(fork) } {
                Ok(None) => mem::forget(tell),
                Ok(Some(copy)) => {
                    let _ = rustix::io::write(&tell, &copy.as_raw().to_ne_bytes());
                }
                Err(_) => drop(tell),
            }
        };
        watcher.watch(forking.pid(), Box::new(forks)).unwrap();
        forking.die(End::Code(0));
        let mut copy = None;
        deadline::holds_within(deadline::patience(), || {
            copy = next_number(&told);
            copy.is_some()
        });
        let copy = Pid::try_from(copy.expect("a copy is made")).unwrap();

        for child in &children {
            child.die(End::Code(0));
        }
        let all_told = deadline::holds_within(deadline::patience(), || probe.runs() == 40);
        let is_over = deadline::holds_within(deadline::patience(), || death::is_waitable(copy));
        if !is_over {
            death::kill(copy);
        }
        death::reap(copy);
        assert!(all_told, "{fork:?}: {} of 40 exits are told", probe.runs());
        assert!(is_over, "{fork:?}: the copy lives on");
        let runners: Vec<_> = std::iter::from_fn(|| next_number(&from)).collect();
        assert_eq!(runners, [std::process::id(); 40], "{fork:?}");
    }
}

/// A jailer makes its prisoner so. The C library in the copy knows the threads of its list, and
/// waits for one that has not begun.
pub(super) fn a_raw_copy_may_change_its_user_at_once(stage: &Stage<'_>) {
    for _ in 0..20 {
        let watcher = stage.watcher();
        // SAFETY: what the copy calls is async-signal-safe.
        let copy = unsafe {
            match birth::fork_twin(birth::Fork::Raw) {
                Ok(None) => {
                    // musl finds that the other threads are gone, and refuses.
                    let _ = users::act_as_oneself();
                    libc::_exit(0)
                }
                copy => copy.unwrap().expect("the copy does not get here"),
            }
        };
        let is_over = deadline::holds_within(deadline::patience(), || death::is_waitable(copy));
        if !is_over {
            death::kill(copy);
        }
        death::reap(copy);
        assert!(is_over, "the copy waits for ever");
        drop(watcher);
    }
}

/// What a panic that unwinds through the copy of the parent's stack would run.
struct ParentsCleanUp;

impl Drop for ParentsCleanUp {
    fn drop(&mut self) {
        exit(99);
    }
}

fn panics() -> Infallible {
    panic!("the forked child is meant to panic")
}

pub(super) fn a_forked_child_never_unwinds_into_the_parents_copy(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let parents = ParentsCleanUp;
    // SAFETY: the child panics, which allocates and takes the lock of stderr: no
    // other thread of this cell holds either now.
    let pid = unsafe { stage.backend().fork_watchable(&*watcher, panics) }.unwrap();
    std::mem::forget(parents);
    let probe = Probe::new();
    watcher.register_callback(pid, probe.callback()).unwrap();
    watcher.unregister_pid(pid);
    assert_eq!(
        probe.ran_once().status(),
        Some(ExitStatus::from_raw(101 << 8))
    );
    death::reap(pid);
}

pub(super) fn a_forked_child_is_registered_before_it_runs(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    for _ in 0..50 {
        let pid = fork_that_exits(stage, &*watcher).unwrap();
        let probe = Probe::new();
        watcher.register_callback(pid, probe.callback()).unwrap();
        watcher.unregister_pid(pid);
        assert_eq!(probe.ran_once().status().unwrap().code(), Some(31));
        death::reap(pid);
    }
    // A registration that is refused takes the child with it.
    let few = limits::FewFiles::left(3);
    let held: Vec<_> = (0..8)
        .map(|_| fork_that_exits(stage, &*watcher))
        .take_while(Result::is_ok)
        .collect();
    drop(few);
    for pid in held.into_iter().flatten() {
        watcher.unregister_pid(pid);
        death::reap(pid);
    }
    assert!(!death::has_children());
}

fn fork_that_exits(stage: &Stage<'_>, watcher: &dyn PidWatcher) -> std::io::Result<Pid> {
    fn exits() -> Infallible {
        exit(31)
    }
    // SAFETY: the child calls exit, and this cell has set up nothing to run then.
    unsafe { stage.backend().fork_watchable(watcher, exits) }
}
