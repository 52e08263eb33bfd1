//! What each backend counts in a short life: `PidWatcher::stats`.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not their helpers"
)]

use std::panic::resume_unwind;

use childwatch_core::WatcherStats;
use childwatch_proofs::backends::ALL;
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::kit::child::End;
use childwatch_ptrace_free_tests::kit::deadline;
use childwatch_ptrace_free_tests::kit::probe::Probe;
use childwatch_ptrace_free_tests::kit::skip::can_run;

/// The numbers that every backend of this workspace has.
fn numbers(stats: WatcherStats) -> [u64; 4] {
    let WatcherStats {
        watched,
        callbacks_pending,
        callbacks_run,
        callbacks_panicked,
        ..
    } = stats;
    [
        watched,
        callbacks_pending,
        callbacks_run,
        callbacks_panicked,
    ]
}

/// One test, because `SIGCHLD` belongs to the process. The backend that forwards signals comes last:
/// its program sets another handler, which does not call ours.
#[test]
fn the_numbers_follow_a_life() {
    let mut backends = ALL.to_vec();
    backends.sort_by_key(|backend| backend.name() == "forwarded");
    for backend in backends {
        if can_run(backend.is_available()) {
            live(backend);
        }
    }
}

fn live(backend: &dyn BackendUnderTest) {
    let name = backend.name();
    let watcher = backend.watcher().unwrap();
    let nursery = backend.nursery();
    let stats = || watcher.stats().unwrap();
    assert_eq!(numbers(stats()), [0; 4], "{name}");
    // The watchers before it have had signals.
    for counted in [stats().signals, stats().sweeps] {
        assert_eq!(counted.unwrap_or(0), 0, "{name}");
    }

    let mut children = [(); 3].map(|()| nursery.spawn());
    let [held, watched, cancelled] = [0, 1, 2].map(|child| children[child].pid());
    watcher.register_pid(held).unwrap();
    let panics = Box::new(|_| resume_unwind(Box::new("a callback's panic")));
    watcher.register_callback(held, panics).unwrap();
    let last = Probe::new();
    watcher.register_callback(held, last.callback()).unwrap();
    let probe = Probe::new();
    watcher.watch(watched, probe.callback()).unwrap();
    let handle = watcher.watch(cancelled, Probe::new().callback()).unwrap();
    assert_eq!(numbers(stats()), [3, 4, 0, 0], "{name}");
    // Every second process has no room in the primary.
    let spilled = name.starts_with("fallback").then_some(1);
    assert_eq!(stats().watched_by_secondary, spilled, "{name}");

    watcher.unregister_callback(handle);
    assert_eq!(numbers(stats()), [2, 3, 0, 0], "{name}");
    children[1].let_go(End::Code(0));
    probe.ran_once();
    assert_eq!(numbers(stats()), [1, 2, 1, 0], "{name}");
    let has_signals = !name.starts_with("pidfd") && !name.starts_with("simulated");
    assert_eq!(stats().signals.is_some(), has_signals, "{name}");
    assert_eq!(stats().sweeps.is_some(), has_signals, "{name}");
    // The signal is answered by a sweep, because a child is still watched. What has spilled is
    // not watched any more, so its signal may have found the inbox closed.
    if has_signals && spilled.is_none() {
        let counted = format!("{name} has counted a signal and a sweep");
        deadline::until(&counted, || {
            stats().signals > Some(0) && stats().sweeps > Some(0)
        });
    }
    children[0].let_go(End::Code(0));
    last.ran_once();
    assert_eq!(numbers(stats()), [1, 0, 3, 1], "{name}");

    watcher.unregister_pid(held);
    assert_eq!(numbers(stats()), [0, 0, 3, 1], "{name}");
    for child in &mut children {
        child.let_go(End::Code(0));
        child.confirm_dead();
        child.reap();
    }
}
