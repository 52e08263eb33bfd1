//! C10 and C11: calls from inside callbacks and drops, and panics there.

use std::any::Any;
use std::future::Future;
use std::os::fd::AsFd;
use std::panic::{self, AssertUnwindSafe, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak, mpsc};
use std::task::{Context, Wake, Waker};

use childwatch_core::{ExitCallback, Pid, PidWatcher, PidWatcherExt, Unregistered};

use crate::backend::stage::Stage;
use crate::kit::child::End;
use crate::kit::deadline;
use crate::kit::footprint::Footprint;
use crate::kit::probe::Probe;

/// Calls every method on a living child, and leaves no trace of it.
fn call_everything(watcher: &dyn PidWatcher, pid: Pid) {
    watcher.register_pid(pid).unwrap();
    let handle = watcher
        .register_callback(pid, Probe::new().callback())
        .unwrap();
    let watched = watcher.watch(pid, Probe::new().callback()).unwrap();
    let guard = watcher.watch_guard(pid, |_| {}).unwrap();
    let future = watcher.exited(pid).unwrap();
    drop((guard, future));
    let _ = watcher.send_signal(pid, 0);
    if let Ok(pidfd) = watcher.pidfd(pid) {
        super::pidfd::call_with_pidfds(watcher, pid, pidfd.as_fd());
    }
    for handle in [handle, watched] {
        assert_eq!(
            watcher.unregister_callback(handle),
            Unregistered::WillNotRun
        );
    }
    watcher.unregister_pid(pid);
}

pub(super) fn every_method_may_be_called_in_a_callback(stage: &Stage<'_>) {
    let watcher: Arc<dyn PidWatcher> = Arc::from(stage.watcher());
    let (mut child, living, dead) = (stage.child(), stage.child(), stage.child());
    dead.die(End::Code(21));
    let (probe, inner) = (Probe::new(), Probe::new());
    let (pid, dead_pid) = (living.pid(), dead.pid());
    watcher
        .watch(
            child.pid(),
            probe.callback_then({
                let weak = Arc::downgrade(&watcher);
                let inner = inner.clone();
                move |exit| {
                    let watcher = weak.upgrade().unwrap();
                    call_everything(&*watcher, pid);
                    // Of a process that has exited, and of this very one: they run
                    // after this callback, on the same thread.
                    watcher.watch(dead_pid, inner.callback()).unwrap();
                    watcher.watch(exit.pid(), inner.callback()).unwrap();
                    assert_eq!(inner.runs(), 0);
                }
            }),
        )
        .unwrap();
    child.die(End::Code(0));
    probe.ran_once();
    inner.ran(2);
    assert_eq!(inner.threads()[0], probe.threads()[0]);
    child.reap();
}

pub(super) fn a_callback_ends_its_own_registration(stage: &Stage<'_>) {
    let watcher: Arc<dyn PidWatcher> = Arc::from(stage.watcher());
    let child = stage.child();
    let pid = child.pid();
    let (first, second, late) = (Probe::new(), Probe::new(), Probe::new());
    watcher.register_pid(pid).unwrap();
    watcher
        .register_callback(
            pid,
            first.callback_then({
                let weak = Arc::downgrade(&watcher);
                let late = late.clone();
                move |_| {
                    let watcher = weak.upgrade().unwrap();
                    watcher.unregister_pid(pid);
                    let refused = watcher.register_callback(pid, late.callback());
                    assert!(refused.is_err(), "{refused:?}");
                }
            }),
        )
        .unwrap();
    watcher.register_callback(pid, second.callback()).unwrap();
    child.die(End::Code(0));
    first.ran_once();
    // It was there before.
    second.ran_once();
    stage.settle(&*watcher);
    assert_eq!(late.runs(), 0);
}

/// Calls the watcher when dropped.
struct CallsOnDrop {
    watcher: Weak<dyn PidWatcher>,
    pid: Pid,
    tell: mpsc::Sender<()>,
}

impl Drop for CallsOnDrop {
    fn drop(&mut self) {
        if let Some(watcher) = self.watcher.upgrade() {
            call_everything(&*watcher, self.pid);
        }
        self.tell.send(()).unwrap();
    }
}

pub(super) fn a_captured_values_drop_calls_the_watcher(stage: &Stage<'_>) {
    let watcher: Arc<dyn PidWatcher> = Arc::from(stage.watcher());
    let (child, living) = (stage.child(), stage.child());
    let (tell, told) = mpsc::channel();
    let callback = || -> ExitCallback {
        let captured = CallsOnDrop {
            watcher: Arc::downgrade(&watcher),
            pid: living.pid(),
            tell: tell.clone(),
        };
        Box::new(move |_| drop(captured))
    };
    let is_told = |of: &str| told.recv_timeout(deadline::patience()).expect(of);

    let handle = watcher.watch(child.pid(), callback()).unwrap();
    watcher.unregister_callback(handle);
    is_told("a callback taken out");

    let refused = watcher.register_callback(child.pid(), callback());
    assert!(refused.is_err());
    is_told("a callback refused");

    watcher.watch(child.pid(), callback()).unwrap();
    child.die(End::Code(0));
    is_told("a callback that ran");

    watcher.watch(living.pid(), callback()).unwrap();
    drop(watcher);
    is_told("a callback left at the watcher's end");
}

pub(super) fn a_panicking_callback_harms_nothing(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    let probe = Probe::new();
    watcher.register_pid(child.pid()).unwrap();
    let panics: ExitCallback = Box::new(|_| panic_unheard("meant to"));
    let handle = watcher
        .register_callback(child.pid(), probe.callback())
        .and_then(|_| watcher.register_callback(child.pid(), panics))
        .unwrap();
    watcher
        .register_callback(
            child.pid(),
            probe.callback_then(|_| panic_unheard(PanicsOnDrop("payload"))),
        )
        .unwrap();
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    child.die(End::Code(0));
    probe.ran(2);
    assert_eq!(watcher.unregister_callback(handle), Unregistered::HasRun);
    deadline::until("the panicked callback's captures are dropped", || {
        probe.captures_are_dropped()
    });

    // Later calls, later exits, and the end.
    stage.settle(&*watcher);
    watcher
        .register_callback(child.pid(), probe.callback())
        .unwrap();
    probe.ran(3);
    drop(watcher);
}

pub(super) fn a_panicking_callback_leaves_nothing(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let before = Footprint::now();
    let child = stage.child();
    watcher
        .watch(child.pid(), Box::new(|_| panic!("meant to")))
        .unwrap();
    child.die(End::Code(0));
    stage.settle(&*watcher);
    drop(child);
    before.assert_unchanged();
}

pub(super) fn a_callbacks_panic_is_told_to_the_hook(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let child = stage.child();
    let (tell, told) = mpsc::channel();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload().downcast_ref::<&str>().copied();
        let _ = tell.send((message, std::thread::current().id()));
    }));
    let probe = Probe::new();
    watcher
        .watch(child.pid(), Box::new(|_| panic!("meant to")))
        .unwrap();
    watcher.watch(child.pid(), probe.callback()).unwrap();
    child.die(End::Code(0));
    probe.ran_once();
    std::panic::set_hook(hook);
    let heard = told.try_recv().expect("the hook heard nothing");
    assert_eq!(heard, (Some("meant to"), probe.threads()[0]));
}

/// Counts its drops. The drop panics, if it is to, with another one of these.
struct Payload {
    drops: Arc<AtomicUsize>,
    panics: bool,
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
        if self.panics {
            panic::resume_unwind(Box::new(Payload {
                drops: Arc::clone(&self.drops),
                panics: false,
            }));
        }
    }
}

/// Panics when dropped, with a payload, and past the panic hook.
struct PanicsWith<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Drop for PanicsWith<T> {
    fn drop(&mut self) {
        if let Some(payload) = self.0.take() {
            panic::resume_unwind(Box::new(payload));
        }
    }
}

pub(super) fn a_panics_payload_is_dropped_once(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let (child, living) = (stage.child(), stage.child());
    let drops = Arc::new(AtomicUsize::new(0));
    let payload = |panics| Payload {
        drops: Arc::clone(&drops),
        panics,
    };
    for panics in [false, true] {
        let own = payload(panics);
        watcher
            .watch(
                child.pid(),
                Box::new(|_| panic::resume_unwind(Box::new(own))),
            )
            .unwrap();
        let captured = PanicsWith(Some(payload(panics)));
        watcher
            .watch(child.pid(), Box::new(move |_| drop(captured)))
            .unwrap();
    }
    child.die(End::Code(0));
    // Two make another one each.
    deadline::until("each payload of a panic is dropped", || {
        drops.load(Ordering::SeqCst) == 6
    });
    stage.settle(&*watcher);
    let captured = PanicsWith(Some(payload(true)));
    watcher
        .watch(living.pid(), Box::new(move |_| drop(captured)))
        .unwrap();
    drop(watcher);
    assert_eq!(
        drops.load(Ordering::SeqCst),
        8,
        "payloads that were dropped"
    );
    assert_eq!(Arc::strong_count(&drops), 1, "a payload is left");
}

/// A task that panics when its last share is dropped.
struct Task(PanicsWith<&'static str>);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        assert!(self.0.0.is_some(), "it is dropped after this");
    }
}

pub(super) fn a_panicking_drop_leaves_nothing(stage: &Stage<'_>) {
    const TIMES: usize = 50;
    let (living, dead) = (stage.child(), stage.child());
    dead.die(End::Code(0));
    let watcher = stage.watcher();
    // Above any number that Linux gives (2²²).
    let nobody = Pid::try_from(i32::MAX).unwrap();
    let captured = || PanicsWith(Some("meant to"));
    let callback = || -> ExitCallback {
        let captured = captured();
        Box::new(move |_| drop(captured))
    };
    // On a caller's thread the panic is the caller's.
    let is_callers = |call: &dyn Fn()| {
        let before = Footprint::now();
        for _ in 0..TIMES {
            let _ = panic::catch_unwind(AssertUnwindSafe(call));
        }
        before.assert_unchanged();
    };
    is_callers(&|| {
        let handle = watcher.watch(living.pid(), callback()).unwrap();
        watcher.unregister_callback(handle);
    });
    is_callers(&|| drop(watcher.watch_guard(living.pid(), callback()).unwrap()));
    is_callers(&|| drop(watcher.register_callback(living.pid(), callback())));
    is_callers(&|| drop(watcher.watch(nobody, callback())));
    is_callers(&|| {
        let mut exited = watcher.exited(living.pid()).unwrap();
        let waker = Waker::from(Arc::new(Task(captured())));
        let outcome = Pin::new(&mut exited).poll(&mut Context::from_waker(&waker));
        assert!(outcome.is_pending());
        drop(waker);
        drop(exited);
    });
    // On the watcher's own.
    let before = Footprint::now();
    for _ in 0..TIMES {
        watcher.watch(dead.pid(), callback()).unwrap();
    }
    let probe = Probe::new();
    watcher.watch(dead.pid(), probe.callback()).unwrap();
    probe.ran_once();
    before.assert_unchanged();
    stage.settle(&*watcher);
}

/// Panics when dropped.
struct PanicsOnDrop(&'static str);

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic_unheard(format!("the drop of a {} is meant to panic", self.0));
    }
}

/// Panics without the hook, which would print a backtrace. That takes longer than the case, and
/// the case is part of nearly every host.
fn panic_unheard(payload: impl Any + Send) -> ! {
    resume_unwind(Box::new(payload))
}

pub(super) fn a_panicking_drop_harms_nothing(stage: &Stage<'_>) {
    let watcher = stage.watcher();
    let (child, living) = (stage.child(), stage.child());
    let callback = || -> ExitCallback {
        let captured = PanicsOnDrop("captured value");
        Box::new(move |_| drop(captured))
    };
    // On the watcher's thread.
    watcher.watch(child.pid(), callback()).unwrap();
    child.die(End::Code(0));
    stage.settle(&*watcher);

    // On the caller's: there the panic is the caller's own.
    let handle = watcher.watch(living.pid(), callback()).unwrap();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        watcher.unregister_callback(handle)
    }));
    assert!(outcome.is_err());
    stage.settle(&*watcher);

    // At the watcher's end.
    let probe = Probe::new();
    watcher.watch(living.pid(), callback()).unwrap();
    watcher.watch(living.pid(), callback()).unwrap();
    watcher.watch(living.pid(), probe.callback()).unwrap();
    drop(watcher);
    assert!(probe.captures_are_dropped());
}
