//! C4: the signal masks of the library's threads, in callbacks and between them.

use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use childwatch_core::{ExitCallback, PidWatcher};

use crate::backend::stage::Stage;
use crate::kit::actor::{Actor, Role};
use crate::kit::child::End;
use crate::kit::deadline;
use crate::kit::sys::{death, signals, threads};

/// Runs `body` in a callback; what it returns.
#[track_caller]
fn in_a_callback<T: Send + 'static>(
    stage: &Stage<'_>,
    watcher: &dyn PidWatcher,
    body: impl FnOnce() -> T + Send + 'static,
) -> T {
    let child = stage.child();
    let (tell, told) = mpsc::channel();
    watcher
        .watch(
            child.pid(),
            Box::new(move |_| {
                // If this value comes too late, the receiver is gone.
                let _ = tell.send(body());
            }),
        )
        .unwrap();
    child.die(End::Code(0));
    told.recv_timeout(deadline::patience())
        .expect("the callback ran")
}

pub(super) fn a_child_that_a_callback_starts_has_an_ordinary_mask(stage: &Stage<'_>) {
    // So that the mask is not an empty one.
    signals::block(libc::SIGUSR2);
    let creators = signals::blocked_signals();
    let watcher = stage.watcher();
    let child = in_a_callback(stage, &*watcher, || {
        let mut command = Role::Wait.command();
        command.stderr(Stdio::null()).spawn()
    });
    let mut actor = Actor::direct(child.expect("an actor"));
    let pid = actor.wait_until_ready();
    assert_eq!(
        signals::blocked_by(&format!("/proc/{pid}/status")),
        creators,
        "the mask of a child that a callback started"
    );
    death::terminate(pid);
    deadline::until("SIGTERM ends a child that a callback started", || {
        death::is_waitable(pid)
    });
}

/// Two callbacks of one process run one after the other.
pub(super) fn a_panic_leaves_the_next_callback_an_ordinary_mask(stage: &Stage<'_>) {
    let creators = signals::blocked_signals();
    let watcher = stage.watcher();
    let child = stage.child();
    let (tell, told) = mpsc::channel();
    let panics: ExitCallback = Box::new(|_| {
        signals::block(libc::SIGUSR1);
        panic!("this callback is meant to panic");
    });
    watcher.watch(child.pid(), panics).unwrap();
    let next: ExitCallback = Box::new(move |_| {
        let _ = tell.send(signals::blocked_signals());
    });
    watcher.watch(child.pid(), next).unwrap();
    child.die(End::Code(0));
    let blocked = told.recv_timeout(deadline::patience()).unwrap();
    assert_eq!(blocked, creators, "the mask after another callback's panic");
}

pub(super) fn a_thread_that_a_callback_starts_has_an_ordinary_mask(stage: &Stage<'_>) {
    signals::block(libc::SIGUSR2);
    let creators = signals::blocked_signals();
    let watcher = stage.watcher();
    let masks = in_a_callback(stage, &*watcher, || {
        let started = thread::spawn(signals::blocked_signals).join().unwrap();
        (signals::blocked_signals(), started)
    });
    assert_eq!(masks.0, creators, "the mask in a callback");
    assert_eq!(masks.1, creators, "the mask of a thread started there");
}

pub(super) fn a_signal_raised_in_a_callback_takes_effect_there(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let counted = signals::CountedSignal::new(libc::SIGUSR1);
    for runs in 1..=3 {
        let seen = in_a_callback(stage, &*watcher, || {
            signals::raise(libc::SIGUSR1);
            signals::CountedSignal::runs()
        });
        assert_eq!(seen, runs, "handlers run by a signal raised in a callback");
    }
    drop(counted);
}

/// No other thread can take such a signal: a `SIGPIPE` of what a subscriber of events has written, or what
/// a program sends with `pthread_kill`.
pub(super) fn a_signal_for_the_watchers_thread_takes_effect_in_a_callback(stage: &Stage<'_>) {
    let creators = signals::blocked_signals();
    let watcher = stage.watcher();
    let counted = signals::CountedSignal::new(libc::SIGUSR1);
    let thread = in_a_callback(stage, &*watcher, threads::thread_id);
    signals::signal_thread(thread, libc::SIGUSR1);
    let (runs, blocked) = in_a_callback(stage, &*watcher, || {
        (signals::CountedSignal::runs(), signals::blocked_signals())
    });
    assert_eq!(runs, 1, "handlers run by a signal for the thread");
    assert_eq!(blocked, creators, "the mask in a callback");
    drop(counted);
}

pub(super) fn a_fault_in_a_callback_reaches_its_handler(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let read = in_a_callback(stage, &*watcher, || {
        let page = signals::RepairedPage::new();
        page.write_and_read(7)
    });
    assert_eq!(read, 7);
}

pub(super) fn no_thread_blocks_what_faults_raise(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    // Every thread that it will have is there.
    for _ in 0..2 {
        stage.settle(&*watcher);
    }
    for thread in threads::threads() {
        let blocked = signals::blocked_by(&format!("/proc/self/task/{thread}/status"));
        let wrong: Vec<_> = signals::SYNCHRONOUS_SIGNALS
            .into_iter()
            .filter(|signal| blocked.contains(signal))
            .collect();
        assert!(wrong.is_empty(), "a thread blocks {wrong:?}");
    }
}

/// Between callbacks.
pub(super) fn no_signal_handler_runs_on_the_watchers_thread(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let number = in_a_callback(stage, &*watcher, threads::thread_id);
    // These two can't be blocked, nor those that the C library keeps to itself.
    let mut expected = vec![libc::SIGKILL, libc::SIGSTOP];
    expected.extend(signals::c_librarys_signals());
    expected.extend(signals::SYNCHRONOUS_SIGNALS);
    expected.sort_unstable();
    let mut free = Vec::new();
    deadline::holds_within(deadline::patience(), || {
        let blocked = signals::blocked_by(&format!("/proc/self/task/{number}/status"));
        free = (1..=64)
            .filter(|signal| !blocked.contains(signal))
            .collect();
        free == expected
    });
    assert_eq!(
        free, expected,
        "signals that a thread at rest does not block"
    );
}
