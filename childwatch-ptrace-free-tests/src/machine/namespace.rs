//! A private pid namespace, whose numbers come round fast and whose processes all end with
//! its first.

#![expect(unsafe_code, reason = "`unshare`, `setns`, and a copy to try it in")]

use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change, mount_move,
};
use rustix::process::{getgid, getuid};

use crate::kit::own_proc;
use crate::kit::sys::{birth, death, permits};

/// Has the children of this process be born in a new pid namespace, the first as its
/// process 1, and gives it a mount namespace of its own. An ordinary user gets a user
/// namespace with them, where the system has it so.
///
/// # Errors
///
/// Why it can't be done. What this process is in is then unclear: it should end.
pub fn leave_for_a_new_one() -> Result<(), String> {
    leave(libc::CLONE_NEWPID | libc::CLONE_NEWNS, "a pid namespace")
}

/// Has the children of this process be born in a new time namespace, where the boot clock
/// and the monotonic clock are so far ahead of the machine's. An ordinary user gets a user
/// namespace with it.
///
/// # Errors
///
/// Why it can't be done. What this process is in is then unclear: it should end.
pub(crate) fn leave_for_other_clocks(boot: Duration, monotonic: Duration) -> Result<(), String> {
    leave(CLONE_NEWTIME, "a time namespace")?;
    let (boot, monotonic) = (boot.as_secs(), monotonic.as_secs());
    let offsets = format!("boottime {boot} 0\nmonotonic {monotonic} 0\n");
    fs::write("/proc/self/timens_offsets", offsets)
        .map_err(|error| format!("the clocks of a time namespace can't be set ({error})"))
}

/// `<linux/sched.h>`, Linux 5.6.
const CLONE_NEWTIME: libc::c_int = 0x80;

/// Returns `Ok` if a process may [leave for other clocks](leave_for_other_clocks).
pub(crate) fn may_have_other_clocks() -> Result<(), String> {
    may("time", || {
        leave_for_other_clocks(Duration::from_secs(1), Duration::ZERO)
    })
}

/// Leaves for new namespaces, with a user namespace if that is what it takes.
fn leave(namespaces: libc::c_int, what: &str) -> Result<(), String> {
    match unshare(namespaces) {
        Ok(()) => return Ok(()),
        Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => {}
        Err(error) => return Err(format!("{what} can't be had ({error})")),
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

fn may(kind: &str, leave: fn() -> Result<(), String>) -> Result<(), String> {
    // SAFETY: the copy makes system calls, and allocates only for what it writes to a
    // file. Nothing else runs in this process while a case's needs are looked at.
    let copy = unsafe { birth::fork_copy(|| i32::from(leave().is_err())) };
    let copy = copy.map_err(|error| error.to_string())?;
    match death::reap(copy) {
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

/// Joins the mount namespace that this process is in already, which changes nothing but its
/// working directory.
///
/// # Errors
///
/// What the kernel answers: `EINVAL` where another thread or process shares this process's
/// working directory.
pub(crate) fn join_own_mounts() -> io::Result<()> {
    let mounts = File::open("/proc/self/ns/mnt")?;
    // SAFETY: takes plain values. The suite's code names files by absolute paths.
    match unsafe { libc::setns(mounts.as_raw_fd(), libc::CLONE_NEWNS) } {
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
    mount_proc(None)?;
    if has_a_limit_of_its_own() {
        fs::write(PID_MAX, pid_max.to_string())
            .map_err(|error| format!("{PID_MAX} can't be written ({error})"))?;
    }
    Ok(())
}

/// Mounts the `/proc` of this process's pid namespace, in a mount namespace of its own.
fn mount_proc(options: Option<&CStr>) -> Result<(), String> {
    keep_mounts_to_this_namespace()
        .and_then(|()| mount("proc", "/proc", "proc", MountFlags::empty(), options))
        .map_err(|error| format!("/proc can't be mounted anew ({error})"))
}

/// Called in process 1 of the new namespace: mounts its own `/proc`.
///
/// # Errors
///
/// Why there is no such `/proc`.
pub(crate) fn mount_own_proc() -> Result<(), String> {
    mount_proc(None)
}

/// Called in process 1 of the new namespace: mounts its own `/proc`, which shows a user no
/// process that this user may not trace.
///
/// # Errors
///
/// Why there is no such `/proc`.
pub(crate) fn mount_proc_that_hides() -> Result<(), String> {
    // The members of a group see everything: root's, unless another is named. In a user
    // namespace that has no such group, root's is not there either.
    mount_proc(Some(c"hidepid=2,gid=65533")).or_else(|_| mount_proc(Some(c"hidepid=2")))
}

/// Returns `Ok` if process 1 of a new namespace may mount a `/proc`.
pub(crate) fn may_mount_proc() -> Result<(), String> {
    // SAFETY: as in `may_leave`.
    let copy = unsafe {
        birth::fork_copy(|| {
            let left = leave_for_a_new_one();
            let first = left.map(|()| birth::fork_copy(|| mount_proc_that_hides().is_err().into()));
            let status = first.ok().and_then(Result::ok).and_then(death::reap);
            i32::from(!status.is_some_and(|status| status.success()))
        })
    };
    let copy = copy.map_err(|error| error.to_string())?;
    match death::reap(copy) {
        Some(status) if status.success() => Ok(()),
        _ => Err("a pid namespace with a /proc of its own can't be had here".to_owned()),
    }
}

fn keep_mounts_to_this_namespace() -> rustix::io::Result<()> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private)
}

/// Called in a mount namespace of its own: from now on the program finds an empty `/proc`.
/// The suite sees [the real one](own_proc::in_own_proc).
///
/// # Errors
///
/// What the kernel answers.
pub(crate) fn hide_proc() -> rustix::io::Result<()> {
    own_proc::this_program();
    keep_mounts_to_this_namespace()?;
    // A directory that every `/proc` has. What is mounted there moves over all of it.
    let inside = Path::new("/proc/fs");
    mount("none", inside, "tmpfs", MountFlags::empty(), None)?;
    let kept = inside.join(own_proc::KEPT);
    rustix::fs::mkdir(&kept, Mode::RWXU)?;
    mount_bind_recursive("/proc", &kept)?;
    mount_move(inside, "/proc")?;
    own_proc::set_hidden();
    Ok(())
}

const PID_MAX: &str = "/proc/sys/kernel/pid_max";

/// Since Linux 6.14 each pid namespace has its own limit.
fn has_a_limit_of_its_own() -> bool {
    permits::kernel_is_at_least(6, 14).is_ok()
}

/// The highest number that a process may have here, and one.
#[must_use]
pub fn pid_max() -> Option<u32> {
    fs::read_to_string(PID_MAX).ok()?.trim().parse().ok()
}
