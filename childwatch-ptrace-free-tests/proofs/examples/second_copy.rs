//! A second copy of the library, as a plugin brings one along: a shared library with
//! functions for C.
//!
//! `cargo build -p childwatch-proofs --example second_copy`
//!
//! The host `second-copy` of the conformance suite loads it.

#![expect(unsafe_code, reason = "functions for C, and what they are given")]

use std::ffi::{c_int, c_void};
use std::os::unix::process::ExitStatusExt;

use childwatch_core::{Pid, PidWatcher, WatchError};
use childwatch_pidfd::PidfdWatcher;
use childwatch_sigchld::SigchldWatcher;

/// A watcher of this copy.
#[derive(Debug)]
pub struct Watcher(Box<dyn PidWatcher>);

/// Called with the caller's data, a pid, and its status as the kernel writes it. The status
/// is -1 if it is not known.
pub type Tell = extern "C" fn(*mut c_void, c_int, c_int);

/// What a caller hands over with its function.
struct Data(*mut c_void);

// SAFETY: the caller of `second_copy_watch` promises it.
unsafe impl Send for Data {}

/// Makes a watcher over `SIGCHLD`. Returns null if it is not available.
#[unsafe(no_mangle)]
pub extern "C" fn second_copy_by_sigchld() -> *mut Watcher {
    hand_over(SigchldWatcher::new().map(|watcher| Box::new(watcher) as Box<dyn PidWatcher>))
}

/// Makes a watcher over pidfds. Returns null if it is not available.
#[unsafe(no_mangle)]
pub extern "C" fn second_copy_by_pidfd() -> *mut Watcher {
    hand_over(PidfdWatcher::new().map(|watcher| Box::new(watcher) as Box<dyn PidWatcher>))
}

fn hand_over(watcher: Result<Box<dyn PidWatcher>, WatchError>) -> *mut Watcher {
    match watcher {
        Ok(watcher) => Box::into_raw(Box::new(Watcher(watcher))),
        Err(_) => std::ptr::null_mut(),
    }
}

/// Watches a process. Returns 0 if the watcher takes it.
///
/// # Safety
///
/// The watcher is one of this copy, and has not been dropped. The data may be used on
/// another thread, until `tell` was called with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn second_copy_watch(
    watcher: *const Watcher,
    pid: c_int,
    tell: Tell,
    data: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    let watcher = unsafe { &*watcher };
    let Ok(pid) = Pid::try_from(pid) else {
        return 1;
    };
    let data = Data(data);
    let callback = move |exit: childwatch_core::Exit| {
        let Data(data) = { data };
        let status = exit.status().map_or(-1, |status| status.into_raw());
        tell(data, exit.pid().as_raw(), status);
    };
    match watcher.0.watch(pid, Box::new(callback)) {
        Ok(_) => 0,
        Err(_) => 2,
    }
}

/// Drops a watcher.
///
/// # Safety
///
/// The watcher is one of this copy. It is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn second_copy_drop(watcher: *mut Watcher) {
    // SAFETY: the caller's promise.
    drop(unsafe { Box::from_raw(watcher) });
}
