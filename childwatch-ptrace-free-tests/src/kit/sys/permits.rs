//! What this machine lets a process do.

#![expect(
    unsafe_code,
    reason = "`seccomp`, `madvise`, `unshare`, `ptrace`: called to see whether they may be"
)]

use std::io;
use std::os::fd::AsFd;
use std::ptr;

use childwatch_core::Pid;
use rustix::io::Errno;
use rustix::process::{PidfdFlags, WaitId, WaitIdOptions, getpid, pidfd_open, waitid};

use super::birth::{Birth, fork_gated};
use super::death::{kill, reap};

/// Whether this process may give a child a number of its choice.
pub(crate) fn can_choose_pids() -> Result<(), String> {
    let (gate, _opener) = rustix::pipe::pipe().map_err(|error| error.to_string())?;
    let pid = fork_gated(Birth::default(), &gate).map_err(|error| error.to_string())?;
    end(pid);
    let birth = Birth {
        pid: Some(pid),
        ..Birth::default()
    };
    match fork_gated(birth, &gate) {
        Ok(pid) => {
            end(pid);
            Ok(())
        }
        // Somebody has the number already: it was the number that was refused.
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        Err(error) => Err(format!(
            "no process can be given a chosen number here (clone3 with set_tid: {error})"
        )),
    }
}

/// Ends a child that waits at its gate.
fn end(pid: Pid) {
    kill(pid);
    reap(pid);
}

/// Returns `true` if a process can be waited for by a pidfd (Linux 5.4). This question
/// changes nothing.
pub(crate) fn can_wait_for_pidfds() -> bool {
    let Ok(own) = pidfd_open(getpid(), PidfdFlags::empty()) else {
        return false;
    };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    // This process is no child of its own.
    matches!(
        waitid(WaitId::PidFd(own.as_fd()), options),
        Err(Errno::CHILD)
    )
}

/// Whether this process may have a child that the kernel reaps.
pub(crate) fn can_have_children_reaped() -> Result<(), String> {
    let (gate, _opener) = rustix::pipe::pipe().map_err(|error| error.to_string())?;
    match fork_gated(Birth::auto_reaped(), &gate) {
        Ok(pid) => {
            // It waits at the gate until it is killed. It is gone when it can't be waited for.
            end(pid);
            Ok(())
        }
        Err(error) => Err(format!(
            "no child is reaped by the kernel here (clone3 with CLONE_AUTOREAP: {error})"
        )),
    }
}

/// Whether this process may trace a child of its own.
pub(crate) fn may_trace() -> Result<(), String> {
    let (gate, _opener) = rustix::pipe::pipe().map_err(|error| error.to_string())?;
    let pid = fork_gated(Birth::default(), &gate).map_err(|error| error.to_string())?;
    let answer = seize(pid);
    end(pid);
    answer.map_err(|error| format!("ptrace is not allowed here ({error})"))
}

/// Whether this process may have its system calls filtered, those of all its threads.
pub(crate) fn may_filter_calls() -> io::Result<()> {
    // Who could take a filter, of all threads at once, finds first that this one can't
    // be read (EFAULT): nothing has changed then.
    //
    // SAFETY: the kernel reads the filter, and checks that it can.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            ptr::null::<libc::sock_fprog>(),
        )
    };
    let error = io::Error::last_os_error();
    match (answer, error.raw_os_error()) {
        (-1, Some(libc::EFAULT)) => Ok(()),
        _ => Err(error),
    }
}

/// Whether the kernel wipes pages in forked copies where it is told to.
#[cfg(test)]
pub(crate) fn can_wipe_on_fork() -> bool {
    // SAFETY: advice about no bytes at all.
    unsafe { libc::madvise(ptr::null_mut(), 0, libc::MADV_WIPEONFORK) == 0 }
}

/// Returns `true` if `madvise` accepts an advice that does not exist.
#[cfg(test)]
pub(crate) fn takes_any_advice() -> bool {
    // SAFETY: advice about no bytes at all.
    unsafe { libc::madvise(ptr::null_mut(), 0, -1) == 0 }
}

/// Has the children of this process be born in a new pid namespace. An ordinary user gets
/// a user namespace with it, for which this process must have one thread.
pub(crate) fn leave_pid_namespace() -> io::Result<()> {
    for namespaces in [libc::CLONE_NEWPID, libc::CLONE_NEWPID | libc::CLONE_NEWUSER] {
        // SAFETY: takes plain values, and takes no memory and no file from this process.
        if unsafe { libc::unshare(namespaces) } == 0 {
            return Ok(());
        }
    }
    Err(io::Error::last_os_error())
}

/// Begins to trace a process, without stopping it.
pub(crate) fn seize(pid: Pid) -> io::Result<()> {
    // SAFETY: PTRACE_SEIZE takes no memory of ours: its address must be null and
    // its data are option bits.
    let answer =
        unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid.as_raw(), ptr::null_mut::<()>(), 0) };
    if answer == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Returns `Ok` if this is Linux `major.minor` or later.
///
/// # Errors
///
/// The kernel's release.
pub fn kernel_is_at_least(major: u32, minor: u32) -> Result<(), String> {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers = release
        .split(|letter: char| !letter.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (major, minor) {
        Ok(())
    } else {
        Err(release.into_owned())
    }
}
