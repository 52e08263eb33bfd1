//! A [`FallbackWatcher`] over simulated processes and sources that refuse.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

use super::*;
use crate::contract::watcher::PidWatcher;
use crate::platform::sync::atomic::AtomicUsize;
use crate::wait::ext::PidWatcherExt;
use crate::watchers::simulated::SimulatedProcesses;
use crate::watchers::simulated::SimulatedSource;

const LONG: Duration = Duration::from_secs(60);

/// A source that can be made to refuse.
#[derive(Debug)]
struct Refusing {
    source: SimulatedSource,
    refusal: fn(Pid) -> Option<WatchError>,
    /// So many wakes fail.
    failing_wakes: AtomicUsize,
    is_started: Arc<AtomicBool>,
    is_asked_for_usage: AtomicBool,
    /// The name of the thread that it was started on.
    thread: Mutex<Option<String>>,
    /// Its waits panic.
    panics: AtomicBool,
    /// How the next waits end, first to last.
    ends: Mutex<VecDeque<End>>,
    /// How all waits after those end.
    always: Mutex<Option<End>>,
}

/// How a wait ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Without a report.
    Spuriously,
    /// Interrupted by a signal.
    Interrupted,
    /// With its reports, and then with a failure.
    Failing,
    /// With a failure before it has begun.
    Refused,
}

impl Refusing {
    fn new(processes: &SimulatedProcesses, refusal: fn(Pid) -> Option<WatchError>) -> Self {
        Refusing {
            source: SimulatedSource::new(processes),
            refusal,
            failing_wakes: AtomicUsize::new(0),
            is_started: Arc::default(),
            is_asked_for_usage: AtomicBool::new(false),
            thread: Mutex::default(),
            panics: AtomicBool::new(false),
            ends: Mutex::default(),
            always: Mutex::default(),
        }
    }

    fn next_waits_end(&self, ends: impl IntoIterator<Item = End>) {
        self.ends.lock().unwrap().extend(ends);
        self.source.wake().unwrap();
    }

    fn all_waits_end(&self, end: End) {
        *self.always.lock().unwrap() = Some(end);
        self.source.wake().unwrap();
    }

    fn has_ended_all(&self) -> bool {
        self.ends.lock().unwrap().is_empty()
    }
}

impl ExitSource for Refusing {
    type Waiter = ();

    const THREAD_NAME: &'static str = "refusing";

    fn start(&self, _waiter: &mut ()) {
        self.is_started.store(true, Ordering::SeqCst);
        let name = std::thread::current().name().map(str::to_owned);
        *self.thread.lock().unwrap() = name;
    }

    fn arm(&self, pid: Pid, token: Token) -> Result<(), WatchError> {
        match (self.refusal)(pid) {
            Some(refusal) => Err(refusal),
            None => self.source.arm(pid, token),
        }
    }

    fn disarm(&self, token: Token) {
        self.source.disarm(token);
    }

    fn is_reaped(&self, token: Token) -> bool {
        self.source.is_reaped(token)
    }

    fn look(&self, token: Token) -> Option<Report> {
        self.source.look(token)
    }

    fn ask_for_resource_usage(&self) {
        self.is_asked_for_usage.store(true, Ordering::SeqCst);
    }

    fn wait(&self, waiter: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        if self.panics.load(Ordering::SeqCst) {
            // Without the hook's message.
            resume_unwind(Box::new("a source's panic"));
        }
        let next = self.ends.lock().unwrap().pop_front();
        let always = *self.always.lock().unwrap();
        match next.or(always) {
            None => self.source.wait(waiter, reports),
            Some(End::Spuriously) => Ok(()),
            Some(End::Interrupted) => Err(io::ErrorKind::Interrupted.into()),
            Some(End::Refused) => Err(io::ErrorKind::OutOfMemory.into()),
            Some(End::Failing) => {
                self.source.wait(waiter, reports)?;
                Err(io::ErrorKind::OutOfMemory.into())
            }
        }
    }

    fn wake(&self) -> io::Result<()> {
        let failing = |left: usize| left.checked_sub(1);
        let order = Ordering::SeqCst;
        match self.failing_wakes.fetch_update(order, order, failing) {
            Ok(_) => Err(io::ErrorKind::OutOfMemory.into()),
            Err(_none_left) => self.source.wake(),
        }
    }
}

fn nothing(_: Pid) -> Option<WatchError> {
    None
}

fn short_of_files(pid: Pid) -> Option<WatchError> {
    Some(WatchError::ResourceLimit {
        operation: "a test",
        pid: Some(pid),
        source: io::ErrorKind::Other.into(),
    })
}

fn odd_numbers(pid: Pid) -> Option<WatchError> {
    match pid.as_raw() % 2 {
        0 => None,
        _ => short_of_files(pid),
    }
}

fn no_child(pid: Pid) -> Option<WatchError> {
    Some(WatchError::NotAChild { pid, source: None })
}

fn no_process(pid: Pid) -> Option<WatchError> {
    Some(WatchError::NoSuchProcess { pid, source: None })
}

fn watcher(
    processes: &SimulatedProcesses,
    primary_refusal: fn(Pid) -> Option<WatchError>,
    secondary_refusal: fn(Pid) -> Option<WatchError>,
) -> FallbackWatcher<Refusing, Refusing> {
    let primary = Refusing::new(processes, primary_refusal);
    let secondary = Refusing::new(processes, secondary_refusal);
    FallbackWatcher::new((primary, ()), (secondary, ())).unwrap()
}

fn exit(processes: &SimulatedProcesses, pid: Pid) {
    assert!(processes.exit(pid, ExitStatus::from_raw(0)));
}

#[test]
fn what_spills_over_is_counted_until_it_goes() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes, odd_numbers, nothing);
    let pids = [(); 4].map(|()| processes.spawn());
    for pid in pids {
        watcher.register_pid(pid).unwrap();
    }
    assert_eq!(watcher.watched_by_secondary(), 2);
    for (pid, left) in pids.into_iter().zip([2, 1, 1, 0]) {
        watcher.unregister_pid(pid);
        assert_eq!(watcher.watched_by_secondary(), left);
    }
    assert_eq!(processes.registration_count(), 0);
}

#[test]
fn both_sources_are_started_and_tell_of_their_exits() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes, odd_numbers, nothing);
    for _ in 0..4 {
        let pid = processes.spawn();
        watcher.register_pid(pid).unwrap();
        exit(&processes, pid);
        assert!(watcher.wait_timeout(pid, LONG).unwrap().is_some());
    }
    let source = watcher.0.source();
    for started in [&source.primary, &source.link.secondary] as [&Refusing; 2] {
        assert!(started.is_started.load(Ordering::SeqCst));
    }
}

/// It only counts how often it is started, and asked for usages. Its descriptor is always readable.
/// It reports exits or, if the last field is `true`, reapings.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>, OwnedFd, bool);

impl ExitSource for Counted {
    type Waiter = ();

    const THREAD_NAME: &'static str = "counted";

    fn start(&self, _waiter: &mut ()) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn arm(&self, pid: Pid, _: Token) -> Result<(), WatchError> {
        Err(WatchError::NoSuchProcess { pid, source: None })
    }

    fn disarm(&self, _: Token) {}

    fn is_reaped(&self, _: Token) -> bool {
        true
    }

    fn look(&self, _: Token) -> Option<Report> {
        None
    }

    fn ask_for_resource_usage(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn awaits_reaping(&self) -> bool {
        self.2
    }

    fn wait(&self, _: &mut (), _: &mut Vec<Report>) -> io::Result<()> {
        Ok(())
    }

    fn wake(&self) -> io::Result<()> {
        Ok(())
    }
}

impl PollableSource for Counted {
    fn descriptor<'a>(&'a self, _: &'a ()) -> BorrowedFd<'a> {
        self.1.as_fd()
    }

    fn collect(&self, _: &mut (), _: &mut Vec<Report>) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn both_pollable_sources_are_started_once_and_asked_for_usages() {
    let calls = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let counted = || calls.each_ref().map(|calls| calls.load(Ordering::SeqCst));
    let source = |calls: &Arc<AtomicUsize>| {
        let readable = eventfd(1, EventfdFlags::CLOEXEC).unwrap();
        (Counted(Arc::clone(calls), readable, false), ())
    };
    let [primary, secondary] = calls.each_ref().map(source);
    let (watcher, mut driver) = FallbackWatcher::driven(primary, secondary).unwrap();
    for _ in 0..2 {
        assert_eq!(driver.drive(None).unwrap(), 0);
    }
    assert_eq!(counted(), [1, 1]);
    let _watcher = watcher.with_resource_usage();
    assert_eq!(counted(), [2, 2]);
}

/// C21: a callback would mean either, depending on the descriptors that are left.
#[test]
fn exits_of_one_source_and_reapings_of_the_other_are_refused() {
    let source = |awaits_reaping| {
        let readable = eventfd(1, EventfdFlags::CLOEXEC).unwrap();
        (Counted(Arc::default(), readable, awaits_reaping), ())
    };
    for (one, other) in [(false, true), (true, false)] {
        let threaded = FallbackWatcher::new(source(one), source(other)).map(drop);
        let driven = FallbackWatcher::driven(source(one), source(other)).map(drop);
        for refused in [threaded, driven] {
            let is_unsupported = matches!(refused, Err(WatchError::Unsupported { .. }));
            assert!(is_unsupported, "{refused:?}");
        }
    }
    for both in [false, true] {
        let (watcher, _driver) = FallbackWatcher::driven(source(both), source(both)).unwrap();
        assert_eq!(watcher.source().awaits_reaping(), both);
    }
}

/// A source whose `collect` reports the exit of one token, and then may fail.
#[derive(Debug)]
struct Collects {
    token: Token,
    is_refused: bool,
    readable: OwnedFd,
}

impl ExitSource for Collects {
    type Waiter = ();

    const THREAD_NAME: &'static str = "collects";

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

    fn wait(&self, waiter: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        self.collect(waiter, reports)
    }

    fn wake(&self) -> io::Result<()> {
        Ok(())
    }
}

impl PollableSource for Collects {
    fn descriptor<'a>(&'a self, _: &'a ()) -> BorrowedFd<'a> {
        self.readable.as_fd()
    }

    fn collect(&self, _: &mut (), reports: &mut Vec<Report>) -> io::Result<()> {
        reports.push(Report::new(self.token, None));
        if self.is_refused {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(())
    }
}

#[test]
fn neither_pollable_sources_failure_hides_the_others_reports_or_itself() {
    let tokens = [0, 1].map(|index| Token::from_parts(index, 0));
    for refused in [[false, false], [true, false], [false, true], [true, true]] {
        let [primary, secondary] = [0, 1].map(|number| {
            let source = Collects {
                token: tokens[number],
                is_refused: refused[number],
                readable: eventfd(1, EventfdFlags::CLOEXEC).unwrap(),
            };
            (source, ())
        });
        let (source, mut waiters) = PollableFallbackSource::new(primary, secondary).unwrap();
        let mut reports = Vec::new();
        let collected = source.collect(&mut waiters, &mut reports);
        assert_eq!(collected.is_err(), refused.contains(&true), "{refused:?}");
        let reported: Vec<_> = reports.into_iter().map(|report| report.token).collect();
        assert_eq!(reported, tokens, "{refused:?}");
    }
}

#[test]
fn both_sources_are_asked_for_usages() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes, nothing, nothing).with_resource_usage();
    let source = watcher.0.source();
    for asked in [&source.primary, &source.link.secondary] as [&Refusing; 2] {
        assert!(asked.is_asked_for_usage.load(Ordering::SeqCst));
    }
}

#[test]
fn each_source_is_asked_of_its_own_processes() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes, odd_numbers, nothing);
    let pids = [processes.spawn(), processes.spawn()];
    for pid in pids {
        watcher.register_pid(pid).unwrap();
    }
    // The source that has armed it says: not reaped.
    for pid in pids {
        let again = watcher.register_pid(pid);
        assert!(matches!(again, Err(WatchError::AlreadyRegistered { .. })));
    }
    // After the reaping it says: reaped.
    for pid in pids {
        exit(&processes, pid);
        assert!(processes.reap(pid).is_some());
        assert!(processes.spawn_with_pid(pid));
        watcher.register_pid(pid).unwrap();
    }
}

#[test]
fn a_process_that_is_no_child_is_the_primarys_refusal() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes, short_of_files, no_child);
    let refused = watcher.register_pid(processes.spawn());
    assert!(matches!(refused, Err(WatchError::ResourceLimit { .. })));
    assert_eq!(watcher.watched_by_secondary(), 0);
}

#[test]
fn any_other_refusal_is_the_last_ones() {
    let processes = SimulatedProcesses::new();
    let pid = processes.spawn();
    let spilled = watcher(&processes, short_of_files, no_process);
    let refused = spilled.register_pid(pid);
    assert!(matches!(refused, Err(WatchError::NoSuchProcess { .. })));
    assert_eq!(spilled.watched_by_secondary(), 0);

    let kept = watcher(&processes, no_process, nothing);
    let refused = kept.register_pid(pid);
    assert!(matches!(refused, Err(WatchError::NoSuchProcess { .. })));
    assert_eq!(processes.registration_count(), 0);
}

#[test]
fn an_exit_is_handed_over_though_the_watcher_cannot_be_woken_at_first() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes, short_of_files, nothing);
    let pid = processes.spawn();
    let (sender, receiver) = std::sync::mpsc::channel();
    let callback = move |exit| sender.send(exit).unwrap();
    watcher.on_exit(pid, callback).unwrap();
    let primary = &watcher.0.source().primary;
    primary.failing_wakes.store(3, Ordering::SeqCst);
    exit(&processes, pid);
    assert_eq!(receiver.recv_timeout(LONG).unwrap().pid(), pid);
}

/// The panic goes on to the caller. The process that was not registered is not counted.
#[test]
fn what_the_secondary_refuses_or_panics_at_is_not_counted() {
    fn panics(_: Pid) -> Option<WatchError> {
        resume_unwind(Box::new("a source's panic"))
    }
    for refusal in [short_of_files, panics] {
        let processes = SimulatedProcesses::new();
        let watcher = watcher(&processes, short_of_files, refusal);
        let pid = processes.spawn();
        let registered = catch_unwind(AssertUnwindSafe(|| watcher.register_pid(pid)));
        assert!(!matches!(registered, Ok(Ok(()))));
        assert_eq!(watcher.watched_by_secondary(), 0);
    }
}

#[test]
fn both_sources_go_with_the_watcher() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes, nothing, nothing);
    let source = watcher.0.source();
    let primary_started = Arc::clone(&source.primary.is_started);
    let secondary_started = Arc::clone(&source.link.secondary.is_started);
    drop(watcher);
    assert_eq!(Arc::strong_count(&primary_started), 1);
    assert_eq!(Arc::strong_count(&secondary_started), 1);
}

#[test]
fn a_panic_of_either_source_ends_the_watcher() {
    for is_secondary in [false, true] {
        let processes = SimulatedProcesses::new();
        let watcher = watcher(&processes, odd_numbers, nothing);
        let live = processes.spawn();
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        watcher
            .on_exit(live, move |_| sender.send(()).unwrap())
            .unwrap();
        let source = watcher.0.source();
        if is_secondary {
            source.link.secondary.panics.store(true, Ordering::SeqCst);
            source.link.secondary.wake().unwrap();
        } else {
            source.primary.panics.store(true, Ordering::SeqCst);
            source.wake().unwrap();
        }
        // The callback was dropped, and has not run.
        assert!(receiver.recv_timeout(LONG).is_err());
        let refused = watcher.register_pid(live);
        assert!(matches!(refused, Err(WatchError::Stopped)), "{refused:?}");
    }
}

/// The secondary's thread then has a report that it cannot hand over.
#[test]
fn a_primary_that_has_panicked_and_cannot_be_woken_holds_up_no_drop() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes, short_of_files, nothing);
    let pid = processes.spawn();
    watcher.register_pid(pid).unwrap();
    let source = watcher.0.source();
    source.primary.panics.store(true, Ordering::SeqCst);
    source.wake().unwrap();
    let end = std::time::Instant::now() + LONG;
    while !matches!(watcher.try_wait(pid), Err(WatchError::Stopped)) {
        assert!(std::time::Instant::now() < end, "the watcher goes on");
        std::thread::yield_now();
    }
    let failing = &source.primary.failing_wakes;
    failing.store(usize::MAX, Ordering::SeqCst);
    exit(&processes, pid);
    while failing.load(Ordering::SeqCst) == usize::MAX {
        assert!(std::time::Instant::now() < end, "nothing is handed over");
        std::thread::yield_now();
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(watcher);
        sender.send(()).unwrap();
    });
    receiver.recv_timeout(LONG).expect("the drop returns");
}

/// Its thread waits in the kernel, and cannot be told to end.
#[test]
fn a_secondary_that_cannot_be_woken_holds_up_no_drop() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes, nothing, nothing);
    let failing = &watcher.0.source().link.secondary.failing_wakes;
    failing.store(usize::MAX, Ordering::SeqCst);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(watcher);
        sender.send(()).unwrap();
    });
    receiver.recv_timeout(LONG).expect("the drop returns");
}

/// Two processes. The second one spills over.
fn one_each(
    processes: &SimulatedProcesses,
    watcher: &FallbackWatcher<Refusing, Refusing>,
) -> [(Pid, std::sync::mpsc::Receiver<Pid>); 2] {
    let mut pids = [processes.spawn(), processes.spawn()];
    pids.sort_by_key(|pid| pid.as_raw() % 2);
    pids.map(|pid| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let callback = move |exit: crate::contract::exit::Exit| sender.send(exit.pid()).unwrap();
        watcher.on_exit(pid, callback).unwrap();
        (pid, receiver)
    })
}

#[test]
fn neither_sources_failures_hide_the_others_exits() {
    for end in [End::Failing, End::Refused] {
        for is_secondary in [false, true] {
            let processes = SimulatedProcesses::new();
            let watcher = watcher(&processes, odd_numbers, nothing);
            let source = watcher.0.source();
            let (failing, other) = if is_secondary {
                (&source.link.secondary, 0)
            } else {
                (&*source.primary, 1)
            };
            failing.all_waits_end(end);
            for _ in 0..3 {
                let watched = one_each(&processes, &watcher);
                let (pid, receiver) = &watched[other];
                exit(&processes, *pid);
                let received = receiver.recv_timeout(LONG);
                assert_eq!(
                    received,
                    Ok(*pid),
                    "{end:?}, of the secondary: {is_secondary}"
                );
            }
        }
    }
}

#[test]
fn the_reports_of_a_wait_that_fails_are_handed_over() {
    for is_secondary in [false, true] {
        let processes = SimulatedProcesses::new();
        let watcher = watcher(&processes, odd_numbers, nothing);
        let source = watcher.0.source();
        let failing = if is_secondary {
            &source.link.secondary
        } else {
            &*source.primary
        };
        failing.all_waits_end(End::Failing);
        for _ in 0..3 {
            let watched = one_each(&processes, &watcher);
            let (pid, receiver) = &watched[usize::from(is_secondary)];
            exit(&processes, *pid);
            assert_eq!(receiver.recv_timeout(LONG), Ok(*pid));
        }
    }
}

/// With pauses that grow further, or pauses after interruptions, this would take minutes.
#[test]
fn the_pauses_of_either_source_are_short_again_after_a_success() {
    let alternating = || {
        [End::Refused, End::Spuriously]
            .into_iter()
            .cycle()
            .take(400)
    };
    let interrupted = || std::iter::repeat_n(End::Interrupted, 200);
    for is_secondary in [false, true] {
        let processes = SimulatedProcesses::new();
        let watcher = watcher(&processes, odd_numbers, nothing);
        let source = watcher.0.source();
        let failing = if is_secondary {
            &source.link.secondary
        } else {
            &*source.primary
        };
        failing.next_waits_end(alternating().chain(interrupted()));
        let end = std::time::Instant::now() + LONG;
        while !failing.has_ended_all() {
            assert!(std::time::Instant::now() < end, "the pauses grow");
            std::thread::yield_now();
        }
        let watched = one_each(&processes, &watcher);
        let (pid, receiver) = &watched[usize::from(is_secondary)];
        exit(&processes, *pid);
        assert_eq!(receiver.recv_timeout(LONG), Ok(*pid));
    }
}

#[test]
fn each_source_is_started_on_the_thread_that_has_its_name() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes, nothing, nothing);
    let source = watcher.0.source();
    let end = std::time::Instant::now() + LONG;
    for source in [&*source.primary, &source.link.secondary] {
        while !source.is_started.load(Ordering::SeqCst) || source.thread.lock().unwrap().is_none() {
            assert!(std::time::Instant::now() < end, "a thread without a name");
            std::thread::yield_now();
        }
        let name = source.thread.lock().unwrap().clone();
        assert_eq!(name.as_deref(), Some(Refusing::THREAD_NAME));
    }
}

/// Which source a token belongs to does not depend on the former token of its slot.
#[test]
fn a_place_goes_from_one_source_to_the_other_and_back() {
    let processes = SimulatedProcesses::new();
    let watcher = watcher(&processes, odd_numbers, nothing);
    for _ in 0..20 {
        for (pid, receiver) in one_each(&processes, &watcher) {
            assert_eq!(
                watcher.watched_by_secondary(),
                1,
                "the odd one, which goes last"
            );
            exit(&processes, pid);
            assert_eq!(receiver.recv_timeout(LONG), Ok(pid));
            assert!(processes.reap(pid).is_some());
        }
        let end = std::time::Instant::now() + LONG;
        while watcher.watched_by_secondary() + processes.registration_count() != 0 {
            assert!(std::time::Instant::now() < end, "a token is left behind");
            std::thread::yield_now();
        }
    }
}
