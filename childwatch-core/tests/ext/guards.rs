//! A registration that ends with its guard.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;

use childwatch_core::{PidWatcherExt, Unregistered};

use crate::common::{LONG, code, stage};

#[test]
fn a_guard_unregisters_unless_it_is_let_go() {
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    let (sender, receiver) = mpsc::channel();
    let sends = |what: &'static str| {
        let sender = sender.clone();
        move |_| sender.send(what).unwrap()
    };
    drop(watcher.watch_guard(pid, sends("dropped")).unwrap());
    let guard = watcher.watch_guard(pid, sends("unregistered")).unwrap();
    assert_eq!(guard.unregister(), Unregistered::WillNotRun);
    let kept = watcher.watch_guard(pid, sends("kept")).unwrap();
    let handle = kept.handle();
    assert_eq!(kept.into_handle(), handle);
    drop(sender);

    processes.exit(pid, code(0));
    assert_eq!(receiver.recv_timeout(LONG), Ok("kept"));
    assert!(receiver.recv_timeout(LONG).is_err(), "and nothing else");
}

/// The captures of the callback may belong to the work that the panic has ended.
#[test]
fn a_guard_unregisters_when_a_panic_drops_it() {
    let (processes, watcher) = stage();
    let pid = processes.spawn();
    let (sender, receiver) = mpsc::channel();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = watcher.watch_guard(pid, move |_| sender.send(()).unwrap());
        // Without the hook's message.
        resume_unwind(Box::new("the work has failed"));
    }));
    assert!(panicked.is_err());
    assert_eq!(processes.registration_count(), 0);
    processes.exit(pid, code(0));
    assert_eq!(receiver.recv(), Err(mpsc::RecvError));
}
