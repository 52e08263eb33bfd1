//! A private pid namespace, whose numbers come round fast and whose processes all end with
//! its first.

#![expect(unsafe_code, reason = "`unshare`, and a copy to try it in")]

use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{getgid, getuid};

use crate::sys;

/// Has the children of this process be born in a new pid namespace, the first as its
/// process 1, and gives it a mount namespace of its own. An ordinary user gets a user
/// namespace with them, where the system has it so.
///
/// # Errors
///
/// Why it can't be done. What this process is in is then unclear: it should end.
pub fn leave_for_a_new_one() -> Result<(), String> {
    leave_for("pid", libc::CLONE_NEWPID | libc::CLONE_NEWNS)
}

/// Has the children of this process be born ten days later, by the clock that counts from
/// boot and by no other. An ordinary user gets a user namespace with that, where the system
/// has it so.
///
/// # Errors
///
/// Why it can't be done. What this process is in is then unclear: it should end.
pub(crate) fn leave_for_another_time() -> Result<(), String> {
    const TEN_DAYS: &str = "boottime 864000 0\n";
    leave_for("time", libc::CLONE_NEWTIME)?;
    fs::write("/proc/self/timens_offsets", TEN_DAYS)
        .map_err(|error| format!("the clock can't be set ({error})"))
}

/// Leaves for new namespaces, of which `kind` is one.
fn leave_for(kind: &str, namespaces: libc::c_int) -> Result<(), String> {
    match unshare(namespaces) {
        Ok(()) => return Ok(()),
        Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => {}
        Err(error) => return Err(format!("a {kind} namespace can't be had ({error})")),
    }
    let (user, group) = (getuid().as_raw(), getgid().as_raw());
    unshare(namespaces | libc::CLONE_NEWUSER)
        .map_err(|error| format!("an ordinary user gets no user namespace here ({error})"))?;
    let write = |file: &str, text: String| {
        fs::write(format!("/proc/self/{file}"), text)
            .map_err(|error| format!("/proc/self/{file} can't be written ({error})"))
    };
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("0 {user} 1"))?;
    write("gid_map", format!("0 {group} 1"))
}

/// Returns `Ok` if a process may [leave for a new one](leave_for_a_new_one).
pub(crate) fn may_leave() -> Result<(), String> {
    may("pid", leave_for_a_new_one)
}

/// Returns `Ok` if a process may [leave for another time](leave_for_another_time).
pub(crate) fn may_leave_time() -> Result<(), String> {
    may("time", leave_for_another_time)
}

fn may(kind: &str, leave: fn() -> Result<(), String>) -> Result<(), String> {
    // SAFETY: the copy makes system calls, and allocates only for what it writes to a
    // file. Nothing else runs in this process while a case's needs are looked at.
    let copy = unsafe { sys::fork_copy(|| i32::from(leave().is_err())) };
    let copy = copy.map_err(|error| error.to_string())?;
    match sys::reap(copy) {
        Some(status) if status.success() => Ok(()),
        _ => Err(format!("no {kind} namespace can be had here")),
    }
}

fn unshare(namespaces: libc::c_int) -> io::Result<()> {
    // SAFETY: takes plain values. What it takes from this process, none of the suite's
    // code depends on: no memory, no files.
    match unsafe { libc::unshare(namespaces) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Called in process 1 of the new namespace: mounts its own `/proc`, and has its numbers
/// end at `pid_max`. Before Linux 6.14 that limit is the machine's, and is left alone.
///
/// # Errors
///
/// Why there is no such `/proc`, or no such limit.
pub fn settle_in(pid_max: u32) -> Result<(), String> {
    if std::process::id() != 1 {
        return Err("this is not process 1 of a new pid namespace".to_owned());
    }
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private)
        .and_then(|()| mount("proc", "/proc", "proc", MountFlags::empty(), None))
        .map_err(|error| format!("/proc can't be mounted anew ({error})"))?;
    if has_a_limit_of_its_own() {
        fs::write(PID_MAX, pid_max.to_string())
            .map_err(|error| format!("{PID_MAX} can't be written ({error})"))?;
    }
    Ok(())
}

const PID_MAX: &str = "/proc/sys/kernel/pid_max";

/// Since Linux 6.14 each pid namespace has its own limit.
fn has_a_limit_of_its_own() -> bool {
    sys::kernel_is_at_least(6, 14).is_ok()
}

/// The highest number that a process may have here, and one.
#[must_use]
pub fn pid_max() -> Option<u32> {
    fs::read_to_string(PID_MAX).ok()?.trim().parse().ok()
}
