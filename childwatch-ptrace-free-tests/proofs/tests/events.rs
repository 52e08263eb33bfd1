//! The events of the feature `tracing`, and what a subscriber may do in one.
//!
//! This package turns the feature on for its tests alone.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not their helpers"
)]
#![expect(unsafe_code, reason = "forked copies")]

use std::fmt::{self, Write};
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::panic::resume_unwind;
use std::process::ExitStatus;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use childwatch_core::source::{ExitSource, PollableSource, Report, ThreadedWatcher, Token};
use childwatch_core::{
    DrivenWatcher, FallbackWatcher, Pid, PidWatcher, PidWatcherExt, SimulatedProcesses,
    SimulatedWatcher, WatchError,
};
use childwatch_ptrace_free_tests::kit::child::{End, Nursery, RealNursery};
use childwatch_ptrace_free_tests::kit::deadline;
use childwatch_ptrace_free_tests::kit::skip::can_run;
use childwatch_ptrace_free_tests::kit::sys::signals::SigchldAction;
use childwatch_sigchld::{SigchldSource, SigchldWatcher};
use rustix::pipe::pipe;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::with_default;
use tracing::{Event, Level, Metadata, Subscriber};

/// Calls a function with the text of each event, on the thread of the event.
struct Heard<F>(F);

/// The tests here that have a subscriber of every level. While one of them runs, no event is left out
/// because of its level.
static OF_EVERY_LEVEL: RwLock<()> = RwLock::new(());

fn with_heard<F: Fn(&str) + Send + Sync + 'static>(heard: F, life: impl FnOnce()) {
    let _of_every_level = OF_EVERY_LEVEL
        .read()
        .unwrap_or_else(PoisonError::into_inner);
    with_default(Heard(heard), life);
}

impl<F: Fn(&str) + Send + Sync + 'static> Subscriber for Heard<F> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("childwatch")
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let (level, target) = (event.metadata().level(), event.metadata().target());
        (self.0)(&format!(
            "{level} {target}: {}{}",
            text.message, text.fields
        ));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            // A time is never the same.
            name if name.ends_with("_us") => write!(self.fields, " {name}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
        written.unwrap();
    }
}

/// Runs `life` with a subscriber, and returns the events of this thread.
fn events_of(life: impl FnOnce()) -> Vec<String> {
    let texts = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&texts);
    with_heard(
        move |text: &str| heard.lock().unwrap().push(text.to_owned()),
        life,
    );
    std::mem::take(&mut *texts.lock().unwrap())
}

fn exit(processes: &SimulatedProcesses, pid: Pid) {
    assert!(processes.exit(pid, ExitStatus::from_raw(3 << 8)));
}

#[test]
fn a_life_has_its_events_in_order() {
    let pid = Pid::try_from(1000).unwrap();
    let refusal = WatchError::AlreadyRegistered { pid };
    let events = events_of(|| {
        let processes = SimulatedProcesses::new();
        let (watcher, mut driver) = SimulatedWatcher::driven(&processes).unwrap();
        let [held, watched] = [(); 2].map(|()| processes.spawn());
        watcher.register_pid(held).unwrap();
        watcher.register_pid(held).unwrap_err();
        watcher.on_exit(watched, |_| ()).unwrap();
        exit(&processes, watched);
        driver.drive(None).unwrap();
        let panics = Box::new(|_| resume_unwind(Box::new("a callback's panic")));
        watcher.register_callback(held, panics).unwrap();
        exit(&processes, held);
        driver.drive(None).unwrap();
        drop(watcher);
        drop(driver);
    });
    assert_eq!(
        events,
        [
            "DEBUG childwatch: registered pid=1000 held=true",
            &format!("DEBUG childwatch: refused pid=1000 error={refusal}"),
            "DEBUG childwatch: registered pid=1001 held=false",
            "DEBUG childwatch: exited pid=1001 status=exit status: 3",
            "DEBUG childwatch: callback ran pid=1001 duration_us",
            "DEBUG childwatch: exited pid=1000 status=exit status: 3",
            "WARN childwatch: callback panicked pid=1000 duration_us",
            "DEBUG childwatch: watcher ended",
        ]
    );
}

#[test]
fn the_end_is_told_once_whichever_half_is_dropped_first() {
    for watcher_goes_first in [true, false] {
        let events = events_of(|| {
            let processes = SimulatedProcesses::new();
            let (watcher, driver) = SimulatedWatcher::driven(&processes).unwrap();
            if watcher_goes_first {
                drop(watcher);
                drop(driver);
            } else {
                drop(driver);
                drop(watcher);
            }
        });
        assert_eq!(events, ["DEBUG childwatch: watcher ended"]);
    }
    let events = events_of(|| drop(SimulatedWatcher::new(&SimulatedProcesses::new()).unwrap()));
    assert_eq!(events, ["DEBUG childwatch: watcher ended"], "of a thread");
}

/// A source whose looks panic.
#[derive(Debug)]
struct Panics(OwnedFd);

impl ExitSource for Panics {
    type Waiter = ();

    const THREAD_NAME: &'static str = "panics";

    fn arm(&self, _: Pid, _: Token) -> Result<(), WatchError> {
        Ok(())
    }

    fn disarm(&self, _: Token) {}

    fn is_reaped(&self, _: Token) -> bool {
        false
    }

    fn look(&self, _: Token) -> Option<Report> {
        None
    }

    fn wait(&self, (): &mut (), _: &mut Vec<Report>) -> io::Result<()> {
        resume_unwind(Box::new("a source's panic"))
    }

    fn wake(&self) -> io::Result<()> {
        Ok(())
    }
}

impl PollableSource for Panics {
    fn descriptor<'a>(&'a self, (): &'a ()) -> BorrowedFd<'a> {
        self.0.as_fd()
    }

    fn collect(&self, waiter: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        self.wait(waiter, reports)
    }
}

/// The panic is the end. The drops have nothing more to tell.
#[test]
fn a_panic_of_the_source_is_told_once() {
    let (never_readable, _writer) = pipe().unwrap();
    let events = events_of(|| {
        let (watcher, mut driver) = DrivenWatcher::new(Panics(never_readable), ());
        for _ in 0..2 {
            let driven = driver.drive(Some(Duration::ZERO));
            assert!(matches!(driven, Err(WatchError::Stopped)), "{driven:?}");
        }
        drop(watcher);
        drop(driver);
    });
    let told = "ERROR childwatch: watcher ended: its source has panicked";
    assert_eq!(events, [told]);

    // Its own thread has told it.
    let (never_readable, _writer) = pipe().unwrap();
    let watcher = ThreadedWatcher::start(Panics(never_readable), ()).unwrap();
    deadline::until("the watcher has ended", || {
        matches!(
            watcher.register_pid(Pid::try_from(1000).unwrap()),
            Err(WatchError::Stopped)
        )
    });
    assert_eq!(events_of(|| drop(watcher)), [""; 0]);
}

/// A subscriber of warnings alone, as most programs have it.
struct Warned(Arc<Mutex<Vec<String>>>);

impl Subscriber for Warned {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        self.0.lock().unwrap().push(text.message);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn a_subscriber_of_warnings_alone_gets_them() {
    let _no_other = OF_EVERY_LEVEL
        .write()
        .unwrap_or_else(PoisonError::into_inner);
    let texts = Arc::new(Mutex::new(Vec::new()));
    with_default(Warned(Arc::clone(&texts)), || {
        let processes = SimulatedProcesses::new();
        let (watcher, mut driver) = SimulatedWatcher::driven(&processes).unwrap();
        let pid = processes.spawn();
        let panics = |_| resume_unwind(Box::new("a callback's panic"));
        watcher.on_exit(pid, panics).unwrap();
        watcher.on_exit(pid, |_| ()).unwrap();
        exit(&processes, pid);
        assert_eq!(driver.drive(None).unwrap(), 2);
    });
    assert_eq!(*texts.lock().unwrap(), ["callback panicked"]);
}

/// The copy is made while the watcher ends, and continues that.
#[test]
fn a_copy_tells_of_no_end() {
    struct Forks(Sender<i32>);
    impl Drop for Forks {
        fn drop(&mut self) {
            // SAFETY: the copy drops a watcher, which is under test, and ends.
            let copy = unsafe { libc::fork() };
            self.0.send(copy).unwrap();
        }
    }
    for watcher_goes_first in [true, false] {
        let (sender, receiver) = mpsc::channel();
        let mut copy = -1;
        let events = events_of(|| {
            let processes = SimulatedProcesses::new();
            let (watcher, driver) = SimulatedWatcher::driven(&processes).unwrap();
            let forks = Forks(sender);
            watcher
                .on_exit(processes.spawn(), move |_| drop(forks))
                .unwrap();
            if watcher_goes_first {
                drop(watcher);
                drop(driver);
            } else {
                drop(driver);
                drop(watcher);
            }
            copy = receiver.recv().unwrap();
        });
        let ends = events.iter().filter(|event| event.contains("ended"));
        let ends = ends.count();
        if copy == 0 {
            // SAFETY: ends the copy at once.
            unsafe { libc::_exit(i32::try_from(ends).unwrap_or(i32::MAX)) }
        }
        let copy = rustix::process::Pid::from_raw(copy).unwrap();
        let waited = rustix::process::waitpid(Some(copy), rustix::process::WaitOptions::empty());
        assert_eq!(waited.unwrap().unwrap().1.exit_status(), Some(0));
        assert_eq!(ends, 1);
    }
}

#[test]
fn each_call_that_registers_tells_of_its_refusal_once() {
    let pid = Pid::try_from(i32::MAX).unwrap();
    let any = std::fs::File::open("/dev/null").unwrap();
    let processes = SimulatedProcesses::new();
    let (watcher, _driver) = SimulatedWatcher::driven(&processes).unwrap();
    let calls: [(&str, &dyn Fn() -> WatchError); 4] = [
        (" pid=2147483647", &|| {
            watcher.register_pid(pid).unwrap_err()
        }),
        (" pid=2147483647", &|| {
            watcher.on_exit(pid, |_| ()).unwrap_err()
        }),
        ("", &|| watcher.register_pidfd(any.as_fd()).unwrap_err()),
        ("", &|| watcher.on_pidfd_exit(&any, |_| ()).unwrap_err()),
    ];
    for (named, call) in calls {
        let mut refusal = String::new();
        let events = events_of(|| refusal = call().to_string());
        let refused = format!("DEBUG childwatch: refused{named} error={refusal}");
        assert_eq!(events, [refused]);
    }
}

#[test]
fn a_subscriber_may_call_the_watcher_in_each_event() {
    let processes = SimulatedProcesses::new();
    let (watcher, mut driver) = SimulatedWatcher::driven(&processes).unwrap();
    let watcher = Arc::new(watcher);
    let [pid, other] = [(); 2].map(|()| processes.spawn());
    let called = Arc::new(Mutex::new(Vec::new()));
    let calls = {
        let (watcher, called) = (Arc::clone(&watcher), Arc::clone(&called));
        move |text: &str| {
            let handle = watcher.on_exit(other, |_| ()).unwrap();
            assert_eq!(watcher.try_wait(other).unwrap(), None);
            assert!(watcher.stats().unwrap().watched > 0);
            watcher.unregister_callback(handle);
            called.lock().unwrap().push(text.to_owned());
        }
    };
    with_heard(calls, || {
        watcher.on_exit(pid, |_| ()).unwrap();
        exit(&processes, pid);
        assert_eq!(driver.drive(None).unwrap(), 1);
    });
    // tracing emits no event inside an event of the same thread.
    let called = called.lock().unwrap();
    assert_eq!(called.len(), 3, "{called:?}");
}

/// The subscriber is on the driving thread, so the drop does not wait for the round.
#[test]
fn a_subscriber_may_drop_the_watcher() {
    for event in ["exited", "callback ran"] {
        let processes = SimulatedProcesses::new();
        let (watcher, mut driver) = SimulatedWatcher::driven(&processes).unwrap();
        let pid = processes.spawn();
        watcher.on_exit(pid, |_| ()).unwrap();
        exit(&processes, pid);
        let watcher = Mutex::new(Some(watcher));
        let drops = move |text: &str| {
            if text.contains(event) {
                drop(watcher.lock().unwrap().take());
            }
        };
        with_heard(drops, || {
            let _ = driver.drive(None);
            assert!(matches!(driver.drive(None), Err(WatchError::Stopped)));
        });
        assert_eq!(processes.registration_count(), 0);
    }
}

#[test]
fn a_subscriber_that_panics_harms_nothing() {
    let processes = SimulatedProcesses::new();
    let (watcher, mut driver) = SimulatedWatcher::driven(&processes).unwrap();
    let panics = |_: &str| resume_unwind(Box::new("a subscriber's panic"));
    with_heard(panics, || {
        for round in 1..=3 {
            let pid = processes.spawn();
            let (sender, receiver) = mpsc::channel();
            watcher
                .on_exit(pid, move |exit| sender.send(exit).unwrap())
                .unwrap();
            exit(&processes, pid);
            assert_eq!(driver.drive(None).unwrap(), 1);
            assert_eq!(receiver.try_recv().unwrap().pid(), pid);
            assert_eq!(watcher.stats().unwrap().callbacks_run, round);
            assert_eq!(watcher.stats().unwrap().callbacks_panicked, 0);
        }
        drop(watcher);
        drop(driver);
    });
    assert_eq!(processes.registration_count(), 0);
}

/// A source that has no room for any process.
#[derive(Debug)]
struct Full(Sender<()>);

impl ExitSource for Full {
    type Waiter = Receiver<()>;

    const THREAD_NAME: &'static str = "full";

    fn arm(&self, pid: Pid, _: Token) -> Result<(), WatchError> {
        Err(WatchError::ResourceLimit {
            operation: "a test",
            pid: Some(pid),
            source: io::ErrorKind::Other.into(),
        })
    }

    fn disarm(&self, _: Token) {}

    fn is_reaped(&self, _: Token) -> bool {
        true
    }

    fn look(&self, _: Token) -> Option<Report> {
        None
    }

    fn wait(&self, woken: &mut Receiver<()>, _: &mut Vec<Report>) -> io::Result<()> {
        woken.recv().map_err(io::Error::other)
    }

    fn wake(&self) -> io::Result<()> {
        self.0.send(()).map_err(io::Error::other)
    }
}

/// The only test here that installs the handler, which stays.
#[test]
fn the_handler_and_a_process_that_spills_have_events() {
    let verdict = childwatch_sigchld::probe().check();
    if !can_run(verdict.map_err(|error| error.to_string())) {
        return;
    }
    let (sender, receiver) = mpsc::channel();
    let secondary = SigchldSource::new().unwrap();
    let watcher = FallbackWatcher::new((Full(sender), receiver), secondary).unwrap();
    let next = SigchldWatcher::new().unwrap();
    let children = [(); 2].map(|()| RealNursery.spawn());
    let [first, second] = children.each_ref().map(|child| child.pid());
    let events = events_of(|| {
        let of_the_program = SigchldAction::counted();
        watcher.register_pid(first).unwrap();
        watcher.register_pid(second).unwrap();
        // The program removes it, and its own with it. The next watcher installs it again.
        mem::forget((of_the_program, SigchldAction::default_action()));
        next.register_pid(first).unwrap();
    });
    let installed = |calls_another: bool| {
        format!(
            "INFO childwatch::sigchld: handler of SIGCHLD installed calls_another={calls_another}"
        )
    };
    let spilled = |pid: Pid| {
        let error = WatchError::ResourceLimit {
            operation: "a test",
            pid: Some(pid),
            source: io::ErrorKind::Other.into(),
        };
        format!("DEBUG childwatch: spilled pid={pid} error={error}")
    };
    let registered = |pid: Pid| format!("DEBUG childwatch: registered pid={pid} held=true");
    assert_eq!(
        events,
        [
            installed(true),
            spilled(first),
            registered(first),
            spilled(second),
            registered(second),
            installed(false),
            registered(first),
        ]
    );
}

#[test]
fn a_sweep_has_an_event() {
    let verdict = childwatch_sigchld::probe().check();
    if !can_run(verdict.map_err(|error| error.to_string())) {
        return;
    }
    let ((source, waiter), forwarder) = SigchldSource::pollable_with_forwarder().unwrap();
    let (watcher, mut driver) = DrivenWatcher::new(source, waiter);
    let mut child = RealNursery.spawn();
    let mut drive_until_swept = |before: u64| {
        deadline::until("a sweep has ended", || {
            driver.drive(Some(Duration::from_secs(1))).unwrap();
            watcher.stats().unwrap().sweeps > Some(before)
        });
    };
    let events = events_of(|| {
        watcher.register_pid(child.pid()).unwrap();
        // A signal that names no child is answered by a sweep.
        forwarder.notify();
        drive_until_swept(0);
        assert_eq!(watcher.stats().unwrap().signals, Some(1));
        child.die(End::Code(0));
        forwarder.notify();
        assert_eq!(watcher.stats().unwrap().signals, Some(2), "before a look");
        drive_until_swept(watcher.stats().unwrap().sweeps.unwrap());
    });
    let swept = |found: usize| {
        format!("TRACE childwatch::sigchld: swept looks=1 found={found} processor_time_us")
    };
    for found in [0, 1] {
        assert!(events.contains(&swept(found)), "{events:?}");
    }
    child.reap();
}
