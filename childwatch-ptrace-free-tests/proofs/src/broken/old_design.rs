//! The design that childwatch comes from, written anew with its faults: the child
//! watcher of a host simulator, as it would have been written first.
//!
//! One mutex over everything, a table by pid, ten events a wait, `unwrap` where
//! something is expected. Each of its known faults is named by a case that it
//! fails; it is right otherwise, and passes most of the suite.

#![expect(unsafe_code, reason = "`fork_watchable` with its old fault")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use childwatch_core::{Exit, ExitCallback, Pid, PidWatcher, Unregistered, WatchError, WatchHandle};
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::process::{PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

use super::entry::{Broken, Fails, ON_PIDFDS, Rule};
use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::Clause::{C9, C10};
use childwatch_ptrace_free_tests::Feature;
use childwatch_ptrace_free_tests::kit::sys::birth;

pub(super) const ALL: &[Broken] = &[UNDER_ITS_LOCK, OUTSIDE_ITS_LOCK];

/// As it was: it holds its lock while callbacks run.
const UNDER_ITS_LOCK: Broken = Broken {
    name: "old-design",
    fault: "The design that childwatch comes from, as it was.",
    breaks: Rule::Clause(C10),
    built_on: &OldDesign::UnderItsLock,
    claims: &OldDesign::UnderItsLock,
    watcher: || OldDesign::UnderItsLock.watcher(),
    fails: &[
        // Any call from a callback, or from a captured value's drop, deadlocks.
        (
            "every_method_may_be_called_in_a_callback",
            Fails::InVain("the callback ran 0 times"),
        ),
        ("a_captured_values_drop_calls_the_watcher", Fails::ByHanging),
        // A slow callback blocks every call.
        (
            "a_slow_callback_blocks_no_call",
            Fails::InVain("the gate was not opened"),
        ),
        // A panic poisons the lock: later calls panic too.
        (
            "a_panicking_callback_harms_nothing",
            Fails::InVain("PoisonError"),
        ),
        // Dropped in a callback it waits for its own lock.
        (
            "drop_inside_a_callback_ends_the_thread_after_it",
            Fails::ByHanging,
        ),
        // A forked child's panic unwinds into the copy of the parent's stack.
        (
            "a_forked_child_never_unwinds_into_the_parents_copy",
            Fails::Saying("25344"),
        ),
        // Its Drop in a forked copy waits for a thread that is not there.
        (
            "drop_in_a_copy_returns_at_once",
            Fails::Saying("drop: the copy"),
        ),
    ],
    passes: &[
        "a_thousand_simultaneous_exits",
        "an_unregistered_callback_never_runs",
        "codes_and_signals_are_told",
    ],
    ..ON_PIDFDS
};

/// With the obvious repair, its callbacks taken out and run after unlocking: the
/// faults that this leaves.
const OUTSIDE_ITS_LOCK: Broken = Broken {
    name: "old-design-unlocked",
    fault: "The same, with its callbacks run after unlocking.",
    breaks: Rule::Clause(C9),
    built_on: &OldDesign::OutsideItsLock,
    claims: &OldDesign::OutsideItsLock,
    watcher: || OldDesign::OutsideItsLock.watcher(),
    fails: &[
        // Unregistering the last callback while the exit is in flight panics the
        // watcher's thread.
        (
            "the_last_callback_goes_as_its_exit_is_in_flight",
            Fails::Saying("an event is of a watched process"),
        ),
        // A stale event of a number that came back fires the new process's
        // callbacks.
        (
            "a_stale_event_fires_nothing_of_the_new_process",
            Fails::Saying("the old process's exit fired for the new one"),
        ),
        // A panicking callback ends the thread, and with it all others.
        (
            "a_panicking_callback_harms_nothing",
            Fails::InVain("the watcher's thread: Any"),
        ),
        // A second registration loses the callbacks of the first.
        ("the_same_pid_twice_is_refused", Fails::Saying("Ok(())")),
        // Callbacks run in the table's order.
        (
            "callbacks_run_in_order_on_one_thread",
            Fails::Saying("told.iter().eq(0..100)"),
        ),
        // Unregistering does not wait for the running callback.
        (
            "unregister_waits_for_a_running_callback",
            Fails::InVain("!unregistering.is_finished()"),
        ),
        // Dropped in a callback it joins its own thread.
        (
            "drop_inside_a_callback_ends_the_thread_after_it",
            Fails::Saying("failed to join thread"),
        ),
        // It is made where it can watch nothing.
        (
            "construction_without_pidfds_is_unsupported",
            Fails::Saying("where Unsupported for"),
        ),
        // Whatever the kernel answers, there is no such process.
        (
            "a_filter_set_up_later_refuses_only_new_processes",
            Fails::Saying("NoSuchProcess"),
        ),
        (
            "a_shortage_is_told_and_not_latched",
            Fails::Saying("NoSuchProcess"),
        ),
        // What it expects of the kernel panics: at its making, and on its thread.
        (
            "each_call_of_the_construction_may_fail",
            Fails::Saying("epoll: Os"),
        ),
        (
            "drop_ends_a_thread_that_cannot_wait_any_more",
            Fails::Saying("epoll_wait: Os"),
        ),
    ],
    passes: &[
        "a_thousand_simultaneous_exits",
        "a_slow_callback_blocks_no_call",
        "every_method_may_be_called_in_a_callback",
    ],
    ..ON_PIDFDS
};

/// The old design as a backend, in two states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldDesign {
    /// Callbacks run under the lock.
    UnderItsLock,
    /// Callbacks are taken out, and run after unlocking.
    OutsideItsLock,
}

impl BackendUnderTest for OldDesign {
    fn name(&self) -> &'static str {
        match self {
            OldDesign::UnderItsLock => "old-design",
            OldDesign::OutsideItsLock => "old-design-unlocked",
        }
    }

    fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
        Ok(Box::new(OldWatcher::new(*self)))
    }

    fn offers(&self, _feature: Feature) -> Result<(), String> {
        Ok(())
    }

    unsafe fn fork_watchable(
        &self,
        watcher: &dyn PidWatcher,
        child: fn() -> Infallible,
    ) -> io::Result<Pid> {
        // SAFETY: the caller's promise; that a panic goes on through this frame is
        // the fault.
        let pid = unsafe { birth::fork_copy(|| never(child())) }?;
        watcher.register_pid(pid)?;
        Ok(pid)
    }
}

/// What a forked child that never returns exits with.
fn never(never: Infallible) -> i32 {
    match never {}
}

struct OldWatcher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    inner: Mutex<Inner>,
    epoll: OwnedFd,
    notifier: OwnedFd,
    callbacks_run: OldDesign,
}

#[derive(Default)]
struct Inner {
    commands: Vec<Command>,
    watched: HashMap<Pid, Watched>,
}

enum Command {
    RunCallbacks(Pid),
    Finish,
}

struct Watched {
    pidfd: OwnedFd,
    callbacks: HashMap<WatchHandle, ExitCallback>,
    is_registered: bool,
}

/// No process has this number.
const NOTIFIER: u64 = 0;

impl OldWatcher {
    fn new(callbacks_run: OldDesign) -> Self {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
        let notifier = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("eventfd");
        epoll::add(
            &epoll,
            &notifier,
            epoll::EventData::new_u64(NOTIFIER),
            epoll::EventFlags::IN,
        )
        .expect("epoll_ctl");
        let shared = Arc::new(Shared {
            inner: Mutex::default(),
            epoll,
            notifier,
            callbacks_run,
        });
        let thread = thread::Builder::new()
            .name("childwatch-old".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || shared.run()
            })
            .expect("a thread");
        OldWatcher {
            shared,
            thread: Some(thread),
        }
    }
}

impl PidWatcher for OldWatcher {
    fn register_pid(&self, pid: Pid) -> Result<(), WatchError> {
        let watched = self.shared.open(pid)?;
        self.shared.lock().watched.insert(pid, watched);
        Ok(())
    }

    fn unregister_pid(&self, pid: Pid) {
        let mut inner = self.shared.lock();
        if let Some(watched) = inner.watched.get_mut(&pid) {
            watched.is_registered = false;
            self.shared.forget_if_unused(&mut inner, pid);
        }
    }

    /// It had none; this one is as good as the rest.
    fn try_wait(&self, pid: Pid) -> Result<Option<Exit>, WatchError> {
        let watched = self.shared.open(pid)?;
        let found = status(&watched.pidfd);
        let _ = epoll::delete(&self.shared.epoll, &watched.pidfd);
        Ok(found.map(|status| Exit::new(pid, status)))
    }

    fn register_callback(
        &self,
        pid: Pid,
        callback: ExitCallback,
    ) -> Result<WatchHandle, WatchError> {
        let mut inner = self.shared.lock();
        match inner.watched.get(&pid) {
            Some(watched) if watched.is_registered => {
                Ok(self.shared.add(&mut inner, pid, callback))
            }
            _ => Err(WatchError::NotRegistered { pid }),
        }
    }

    fn unregister_callback(&self, handle: WatchHandle) -> Unregistered {
        let mut inner = self.shared.lock();
        let removed = inner
            .watched
            .get_mut(&handle.pid())
            .and_then(|watched| watched.callbacks.remove(&handle));
        self.shared.forget_if_unused(&mut inner, handle.pid());
        match removed {
            Some(_callback) => Unregistered::WillNotRun,
            None => Unregistered::HasRun,
        }
    }

    fn watch(&self, pid: Pid, callback: ExitCallback) -> Result<WatchHandle, WatchError> {
        if self.shared.lock().watched.contains_key(&pid) {
            return Ok(self.shared.add(&mut self.shared.lock(), pid, callback));
        }
        self.register_pid(pid)?;
        let handle = self.register_callback(pid, callback)?;
        self.unregister_pid(pid);
        Ok(handle)
    }
}

impl Drop for OldWatcher {
    fn drop(&mut self) {
        let mut inner = self.shared.lock();
        self.shared.send(&mut inner, Command::Finish);
        drop(inner);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the watcher's thread");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody has panicked")
    }

    fn open(&self, pid: Pid) -> Result<Watched, WatchError> {
        let number = rustix::process::Pid::from_raw(pid.as_raw()).expect("a pid is positive");
        let pidfd =
            pidfd_open(number, PidfdFlags::empty()).map_err(|errno| WatchError::NoSuchProcess {
                pid,
                source: Some(errno.into()),
            })?;
        let data = epoll::EventData::new_u64(pid.as_raw().unsigned_abs().into());
        epoll::add(&self.epoll, &pidfd, data, epoll::EventFlags::IN).expect("epoll_ctl");
        Ok(Watched {
            pidfd,
            callbacks: HashMap::new(),
            is_registered: true,
        })
    }

    fn add(&self, inner: &mut Inner, pid: Pid, callback: ExitCallback) -> WatchHandle {
        let watched = inner.watched.get_mut(&pid).expect("a watched process");
        let handle = WatchHandle::new_unique(pid);
        watched.callbacks.insert(handle, callback);
        if status(&watched.pidfd).is_some() {
            self.send(inner, Command::RunCallbacks(pid));
        }
        handle
    }

    fn send(&self, inner: &mut Inner, command: Command) {
        inner.commands.push(command);
        rustix::io::write(&self.notifier, &1_u64.to_ne_bytes()).expect("eventfd");
    }

    fn forget_if_unused(&self, inner: &mut Inner, pid: Pid) {
        let is_unused = inner
            .watched
            .get(&pid)
            .is_some_and(|watched| !watched.is_registered && watched.callbacks.is_empty());
        if is_unused {
            let watched = inner.watched.remove(&pid).expect("just seen");
            epoll::delete(&self.epoll, &watched.pidfd).expect("epoll_ctl");
        }
    }

    fn run(&self) {
        loop {
            let mut events = Vec::with_capacity(10);
            epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                None,
            )
            .expect("epoll_wait");
            for event in events {
                match event.data.u64() {
                    NOTIFIER => {
                        let _ = rustix::io::read(&self.notifier, &mut [0; 8]);
                    }
                    number => {
                        let number = i32::try_from(number).expect("a pid");
                        self.run_callbacks(Pid::try_from(number).expect("a pid"));
                    }
                }
            }
            let commands = std::mem::take(&mut self.lock().commands);
            for command in commands {
                match command {
                    // Its event may have come first.
                    Command::RunCallbacks(pid) if !self.lock().watched.contains_key(&pid) => {}
                    Command::RunCallbacks(pid) => self.run_callbacks(pid),
                    Command::Finish => return,
                }
            }
        }
    }

    fn run_callbacks(&self, pid: Pid) {
        let mut inner = self.lock();
        let watched = inner
            .watched
            .get_mut(&pid)
            .expect("an event is of a watched process");
        let exit = Exit::new(pid, status(&watched.pidfd).flatten());
        let callbacks = std::mem::take(&mut watched.callbacks);
        // Level-triggered: without the removal, its event would be reported for ever.
        let _ = epoll::delete(&self.epoll, &watched.pidfd);
        match self.callbacks_run {
            OldDesign::UnderItsLock => {
                callbacks.into_values().for_each(|callback| callback(exit));
                self.forget_after_exit(&mut inner, pid);
            }
            OldDesign::OutsideItsLock => {
                self.forget_after_exit(&mut inner, pid);
                drop(inner);
                callbacks.into_values().for_each(|callback| callback(exit));
            }
        }
    }

    fn forget_after_exit(&self, inner: &mut Inner, pid: Pid) {
        if inner
            .watched
            .get(&pid)
            .is_some_and(|watched| !watched.is_registered)
        {
            inner.watched.remove(&pid);
        }
    }
}

/// `None` while it lives, `Some(None)` when its status can't be known.
fn status(pidfd: &OwnedFd) -> Option<Option<ExitStatus>> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::PidFd(pidfd.as_fd()), options) {
        Ok(None) => None,
        Ok(Some(status)) => Some(
            status
                .exit_status()
                .map(|code| code << 8)
                .or(status.terminating_signal())
                .map(ExitStatus::from_raw),
        ),
        Err(_) => Some(None),
    }
}

impl fmt::Debug for OldWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OldWatcher").finish_non_exhaustive()
    }
}
