//! A copy of the process that a captured value or a callback makes, while the watcher ends.

#![expect(unsafe_code, reason = "copies and their end")]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::panic::resume_unwind;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, mpsc};

use childwatch_core::source::{ExitSource, PollableSource, Report, ThreadedWatcher, Token};
use childwatch_core::{
    DrivenWatcher, Pid, PidWatcher, PidWatcherExt, SimulatedProcesses, SimulatedWatcher, WatchError,
};
use rustix::event::{EventfdFlags, eventfd};

/// Set in a forked copy.
static IS_COPY: AtomicBool = AtomicBool::new(false);

/// The exit code of a copy that drops what is the parent's.
const DROPS: i32 = 77;

/// Ends a copy that drops what is the parent's.
fn must_not_be_dropped_in_a_copy() {
    if IS_COPY.load(Ordering::SeqCst) {
        // SAFETY: ends the copy at once.
        unsafe { libc::_exit(DROPS) }
    }
}

/// A source without processes, which must not be dropped in a copy. Another source would join a
/// thread there, or close files of the parent.
#[derive(Debug, Default)]
struct Parents {
    is_woken: Mutex<bool>,
    woken: Condvar,
    /// A wait panics when it is woken.
    panics: AtomicBool,
}

/// What only the driver of such a source uses. It must not be dropped in a copy either.
struct ParentsWaiter(OwnedFd);

impl ParentsWaiter {
    fn new() -> Self {
        let never_readable = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        ParentsWaiter(never_readable)
    }
}

impl Drop for ParentsWaiter {
    fn drop(&mut self) {
        must_not_be_dropped_in_a_copy();
    }
}

impl ExitSource for Parents {
    type Waiter = ParentsWaiter;

    const THREAD_NAME: &'static str = "parents";

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

    fn wait(&self, _: &mut ParentsWaiter, _: &mut Vec<Report>) -> io::Result<()> {
        let is_woken = self.is_woken.lock().unwrap();
        let waits = |is_woken: &mut bool| !*is_woken;
        *self.woken.wait_while(is_woken, waits).unwrap() = false;
        if self.panics.load(Ordering::SeqCst) {
            // Without the hook's message.
            resume_unwind(Box::new(()));
        }
        Ok(())
    }

    fn wake(&self) -> io::Result<()> {
        *self.is_woken.lock().unwrap() = true;
        self.woken.notify_one();
        Ok(())
    }
}

impl PollableSource for Parents {
    fn descriptor<'a>(&'a self, waiter: &'a ParentsWaiter) -> BorrowedFd<'a> {
        waiter.0.as_fd()
    }

    fn collect(&self, _: &mut ParentsWaiter, _: &mut Vec<Report>) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Parents {
    fn drop(&mut self) {
        must_not_be_dropped_in_a_copy();
    }
}

/// Forks when it is dropped.
struct Forks(mpsc::Sender<i32>);

impl Drop for Forks {
    fn drop(&mut self) {
        // SAFETY: the copy drops a watcher, which is under test, and ends.
        match unsafe { libc::fork() } {
            0 => IS_COPY.store(true, Ordering::SeqCst),
            copy => self.0.send(copy).unwrap(),
        }
    }
}

/// Must not be dropped in a copy, because the parent drops it too.
struct Captured;

impl Drop for Captured {
    fn drop(&mut self) {
        must_not_be_dropped_in_a_copy();
    }
}

/// A watcher of one process with two callbacks. What the first captures forks when it is dropped,
/// and sends the copy's pid.
fn watcher_that_forks_at_its_end() -> (ThreadedWatcher<Parents>, mpsc::Receiver<i32>) {
    let watcher = ThreadedWatcher::start(Parents::default(), ParentsWaiter::new()).unwrap();
    let receiver = add_callbacks(&watcher, Pid::try_from(7).unwrap());
    (watcher, receiver)
}

/// The first callback forks when it is dropped. The second must not be dropped in the copy.
fn add_callbacks(watcher: &dyn PidWatcher, pid: Pid) -> mpsc::Receiver<i32> {
    let (sender, receiver) = mpsc::channel();
    let (forks, captured) = (Forks(sender), Captured);
    watcher.on_exit(pid, move |_| drop(forks)).unwrap();
    watcher.on_exit(pid, move |_| drop(captured)).unwrap();
    receiver
}

fn assert_leaves_the_rest_alone(copy: i32) {
    let copy = rustix::process::Pid::from_raw(copy);
    let waited = rustix::process::waitpid(copy, rustix::process::WaitOptions::empty());
    let (_, status) = waited.unwrap().unwrap();
    // A copy whose last thread ends runs the exit handlers of other tests. They may change its code.
    let code = status.exit_status();
    assert!(code.is_some_and(|code| code != DROPS), "{status:?}");
}

/// The copy is made in the middle of the watcher's drop, and continues that drop.
#[test]
fn a_copy_that_a_captured_value_makes_at_the_end_leaves_the_rest_alone() {
    let (watcher, copy) = watcher_that_forks_at_its_end();
    drop(watcher);
    if IS_COPY.load(Ordering::SeqCst) {
        // SAFETY: ends the copy at once.
        unsafe { libc::_exit(0) }
    }
    assert_leaves_the_rest_alone(copy.recv().unwrap());
}

/// The copy is made on the watcher's thread, and has no other thread.
#[test]
fn a_copy_that_a_captured_value_makes_after_a_panic_of_the_source_leaves_the_rest_alone() {
    let (watcher, copy) = watcher_that_forks_at_its_end();
    watcher.source().panics.store(true, Ordering::SeqCst);
    watcher.source().wake().unwrap();
    assert_leaves_the_rest_alone(copy.recv().unwrap());
}

/// The copy continues the drop of one half, and the other half is left.
#[test]
fn a_copy_that_a_captured_value_makes_as_a_half_is_dropped_leaves_the_rest_alone() {
    for watcher_goes_first in [true, false] {
        let (watcher, driver) = DrivenWatcher::new(Parents::default(), ParentsWaiter::new());
        let copy = add_callbacks(&watcher, Pid::try_from(7).unwrap());
        let (watcher, driver) = if watcher_goes_first {
            drop(watcher);
            (None, Some(driver))
        } else {
            drop(driver);
            (Some(watcher), None)
        };
        if IS_COPY.load(Ordering::SeqCst) {
            // SAFETY: ends the copy at once.
            unsafe { libc::_exit(0) }
        }
        assert_leaves_the_rest_alone(copy.recv().unwrap());
        drop((watcher, driver));
    }
}

/// A callback owns the driver, and the copy is made when that is gone. Then the watcher is the last
/// owner of the source.
#[test]
fn a_copy_that_is_made_when_the_driver_is_gone_leaves_the_source_alone() {
    let (watcher, driver) = DrivenWatcher::new(Parents::default(), ParentsWaiter::new());
    let (sender, copy) = mpsc::channel();
    let captured = (driver, Forks(sender));
    let pid = Pid::try_from(7).unwrap();
    watcher.on_exit(pid, move |_| drop(captured)).unwrap();
    drop(watcher);
    if IS_COPY.load(Ordering::SeqCst) {
        // SAFETY: ends the copy at once.
        unsafe { libc::_exit(0) }
    }
    assert_leaves_the_rest_alone(copy.recv().unwrap());
}

/// What a callback panics with may be the parent's too.
#[test]
fn a_copy_that_a_callback_makes_and_panics_in_leaves_the_payload_alone() {
    let processes = SimulatedProcesses::new();
    let watcher = SimulatedWatcher::new(&processes).unwrap();
    let pid = processes.spawn();
    let (sender, copy) = mpsc::channel();
    let (forks, captured) = (Forks(sender), Captured);
    let callback = move |_| {
        drop(forks);
        // Without the hook's message.
        resume_unwind(Box::new(captured));
    };
    watcher.on_exit(pid, callback).unwrap();
    assert!(processes.exit(pid, ExitStatus::from_raw(0)));
    assert_leaves_the_rest_alone(copy.recv().unwrap());
}
