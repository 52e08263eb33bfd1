//! A watcher in a program that knows nothing of it: a library for `LD_PRELOAD`.
//!
//! `cargo xtask programs` runs installed programs with it. The library defines the functions of
//! the C library that start and reap children. So each child of the program is watched, and the
//! library records what the watcher and the program each learn of it.
//!
//! | variable | its value |
//! |---|---|
//! | `PRELOADED_WATCHER` | the name of a backend. Without it the library only passes calls on |
//! | `PRELOADED_RECORD` | the file that the lines are written to: 16 MiB, shared by all processes |
//! | `PRELOADED_BLOCKED` | if it is set, the watcher is made while `SIGCHLD` is blocked |
//!
//! The functions that the C library calls within itself, as in `system` and `popen`, are not
//! seen. Their children are watched by no one, and live beside a watcher.

#![expect(
    unsafe_code,
    reason = "functions of the C library: each is replaced, and calls the real one"
)]
#![allow(
    clippy::missing_safety_doc,
    missing_docs,
    reason = "the functions have the contracts of those that they replace"
)]

use std::ffi::{c_char, c_int};
use std::mem::{self, MaybeUninit};

use libc::{
    id_t, idtype_t, pid_t, posix_spawn_file_actions_t, posix_spawnattr_t, rusage, siginfo_t,
};

mod children;
mod real;
mod record;
mod resident;

use real::Real;
use resident::Resident;

/// What the loader calls before the program's `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_THE_START: extern "C" fn() = at_the_start;

/// What `exit` calls after the program's own functions for its end.
#[used]
#[unsafe(link_section = ".fini_array")]
static AT_THE_END: extern "C" fn() = at_the_end;

extern "C" fn at_the_start() {
    Real::find_all();
    resident::read_settings();
    Resident::of_this_process();
}

extern "C" fn at_the_end() {
    Resident::end();
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fork() -> pid_t {
    // SAFETY: the type is that of `fork`.
    let real: unsafe extern "C" fn() -> pid_t = unsafe { mem::transmute(real::FORK.address()) };
    // SAFETY: the caller's promise.
    started(unsafe { real() })
}

/// A copy of the whole process, which POSIX allows: a function that returns cannot pass `vfork` on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vfork() -> pid_t {
    // SAFETY: the caller's promise is a stronger one.
    unsafe { fork() }
}

fn started(pid: pid_t) -> pid_t {
    if pid > 0 {
        keeping_errno(|| Resident::watch(pid));
    }
    pid
}

type Spawn = unsafe extern "C" fn(
    *mut pid_t,
    *const c_char,
    *const posix_spawn_file_actions_t,
    *const posix_spawnattr_t,
    *const *mut c_char,
    *const *mut c_char,
) -> c_int;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_spawn(
    pid: *mut pid_t,
    path: *const c_char,
    actions: *const posix_spawn_file_actions_t,
    attributes: *const posix_spawnattr_t,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        spawn(
            &real::POSIX_SPAWN,
            pid,
            path,
            actions,
            attributes,
            arguments,
            environment,
        )
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_spawnp(
    pid: *mut pid_t,
    path: *const c_char,
    actions: *const posix_spawn_file_actions_t,
    attributes: *const posix_spawnattr_t,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        spawn(
            &real::POSIX_SPAWNP,
            pid,
            path,
            actions,
            attributes,
            arguments,
            environment,
        )
    }
}

/// As `posix_spawn`, by one of the two real functions.
unsafe fn spawn(
    real: &Real,
    place: *mut pid_t,
    path: *const c_char,
    actions: *const posix_spawn_file_actions_t,
    attributes: *const posix_spawnattr_t,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
) -> c_int {
    // SAFETY: both functions have this type.
    let real: Spawn = unsafe { mem::transmute(real.address()) };
    let mut child = 0;
    // SAFETY: the caller's promise, and a place for the pid.
    let answer = unsafe {
        real(
            &raw mut child,
            path,
            actions,
            attributes,
            arguments,
            environment,
        )
    };
    if answer == 0 {
        // SAFETY: the caller gives a place for the pid, or null.
        if let Some(place) = unsafe { place.as_mut() } {
            *place = child;
        }
        started(child);
    }
    answer
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn wait(status: *mut c_int) -> pid_t {
    // SAFETY: the caller's promise.
    unsafe { waitpid(-1, status, 0) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn waitpid(pid: pid_t, status: *mut c_int, options: c_int) -> pid_t {
    type WaitPid = unsafe extern "C" fn(pid_t, *mut c_int, c_int) -> pid_t;
    // SAFETY: the type is that of `waitpid`.
    let real: WaitPid = unsafe { mem::transmute(real::WAITPID.address()) };
    // SAFETY: the status is a place, or null.
    reaped(status, |status| unsafe { real(pid, status, options) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn wait3(status: *mut c_int, options: c_int, usage: *mut rusage) -> pid_t {
    // SAFETY: the caller's promise.
    unsafe { wait4(-1, status, options, usage) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn wait4(
    pid: pid_t,
    status: *mut c_int,
    options: c_int,
    usage: *mut rusage,
) -> pid_t {
    type Wait4 = unsafe extern "C" fn(pid_t, *mut c_int, c_int, *mut rusage) -> pid_t;
    // SAFETY: the type is that of `wait4`.
    let real: Wait4 = unsafe { mem::transmute(real::WAIT4.address()) };
    // SAFETY: the caller's promise.
    reaped(status, |status| unsafe {
        real(pid, status, options, usage)
    })
}

fn reaped(place: *mut c_int, wait: impl FnOnce(*mut c_int) -> pid_t) -> pid_t {
    let mut status = 0;
    let pid = wait(&raw mut status);
    if pid > 0 {
        // SAFETY: the caller of the function gives a place for the status, or null.
        if let Some(place) = unsafe { place.as_mut() } {
            *place = status;
        }
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            keeping_errno(|| Resident::note_reaping(pid, status));
        }
    }
    pid
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn waitid(
    kind: idtype_t,
    id: id_t,
    information: *mut siginfo_t,
    options: c_int,
) -> c_int {
    type WaitId = unsafe extern "C" fn(idtype_t, id_t, *mut siginfo_t, c_int) -> c_int;
    // SAFETY: the type is that of `waitid`.
    let real: WaitId = unsafe { mem::transmute(real::WAITID.address()) };
    let mut own = MaybeUninit::<siginfo_t>::zeroed();
    let place = if information.is_null() {
        own.as_mut_ptr()
    } else {
        information
    };
    // SAFETY: the caller's promise, and a place for the answer.
    let answer = unsafe { real(kind, id, place, options) };
    if answer == 0 && options & libc::WNOWAIT == 0 {
        // SAFETY: the place is zeroed, or the kernel has written it.
        let (pid, code, status) = unsafe {
            let information = &*place;
            (
                information.si_pid(),
                information.si_code,
                information.si_status(),
            )
        };
        let status = match code {
            libc::CLD_EXITED => Some((status & 0xff) << 8),
            libc::CLD_KILLED => Some(status),
            libc::CLD_DUMPED => Some(status | 0x80),
            _ => None,
        };
        if let (Some(status), 1..) = (status, pid) {
            keeping_errno(|| Resident::note_reaping(pid, status));
        }
    }
    answer
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn _exit(code: c_int) -> ! {
    Resident::end();
    // SAFETY: the type is that of `_exit`.
    let real: unsafe extern "C" fn(c_int) -> ! = unsafe { mem::transmute(real::EXIT.address()) };
    // SAFETY: the caller's promise.
    unsafe { real(code) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn _Exit(code: c_int) -> ! {
    // SAFETY: the caller's promise.
    unsafe { _exit(code) }
}

/// A handler of the program may call the functions too, in the middle of any other code.
fn keeping_errno(act: impl FnOnce()) {
    // SAFETY: the place of this thread's errno.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: it lives as long as the thread.
    let kept = unsafe { *errno };
    act();
    // SAFETY: as above.
    unsafe { *errno = kept };
}
