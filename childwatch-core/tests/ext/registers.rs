//! A watcher that answers registrations as a test says, and what became of the child.

use std::fmt;
use std::fs;
use std::thread;

use childwatch_core::{Exit, ExitCallback, Pid, PidWatcher, Unregistered, WatchError, WatchHandle};

#[track_caller]
pub(crate) fn assert_reaped(pid: Pid) {
    let number = rustix::process::Pid::from_raw(pid.as_raw()).unwrap();
    let left = rustix::process::waitpid(Some(number), rustix::process::WaitOptions::NOHANG);
    assert_eq!(left.unwrap_err(), rustix::io::Errno::CHILD);
}

/// Refuses a process, but not before that process waits or has exited.
pub(crate) fn refuses_slowly(pid: Pid) -> Result<(), WatchError> {
    loop {
        match state(&format!("{pid}")) {
            'S' => return Err(WatchError::NotAChild { pid, source: None }),
            'Z' => return Err(WatchError::NoSuchProcess { pid, source: None }),
            _ => thread::yield_now(),
        }
    }
}

/// The state of a process, or of a `self/task/TID`: `S` if it sleeps.
pub(crate) fn state(of: &str) -> char {
    let stat = fs::read_to_string(format!("/proc/{of}/stat")).expect("it is not reaped");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
    fields.chars().next().expect("a state")
}

/// Waits until a process, or a `self/task/TID`, is in this state.
pub(crate) fn until_state(of: &str, wanted: char) {
    while state(of) != wanted {
        thread::yield_now();
    }
}

/// Runs a given `register_pid`, for `watch` too, and does nothing else.
pub(crate) struct Registers<F>(pub(crate) F);

impl<F> fmt::Debug for Registers<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registers").finish_non_exhaustive()
    }
}

impl<F: Fn(Pid) -> Result<(), WatchError> + Send + Sync> PidWatcher for Registers<F> {
    fn register_pid(&self, pid: Pid) -> Result<(), WatchError> {
        (self.0)(pid)
    }

    fn unregister_pid(&self, _: Pid) {}

    fn register_callback(&self, pid: Pid, _: ExitCallback) -> Result<WatchHandle, WatchError> {
        Err(WatchError::NotRegistered { pid })
    }

    fn unregister_callback(&self, _: WatchHandle) -> Unregistered {
        Unregistered::HasRun
    }

    fn watch(&self, pid: Pid, _: ExitCallback) -> Result<WatchHandle, WatchError> {
        (self.0)(pid).map(|()| WatchHandle::new_unique(pid))
    }

    fn try_wait(&self, pid: Pid) -> Result<Option<Exit>, WatchError> {
        Err(WatchError::NotRegistered { pid })
    }
}
