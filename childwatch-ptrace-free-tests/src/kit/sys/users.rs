//! The users that the threads of this process act as.

#![expect(
    unsafe_code,
    reason = "`seteuid`, `setresuid`, `setresgid`, and a copy to try them in"
)]

use std::fs;
use std::io;

use rustix::process::geteuid;
use rustix::thread::{capabilities, set_capabilities, set_keep_capabilities};

use super::{birth, death};

/// Linux's user without files, and the group of the same number.
const NOBODY: u32 = 65534;

/// `-1`: this one of the three users or groups stays as it is.
const SAME: u32 = u32::MAX;

/// This process acts as another user, until dropped. A process that may not become another acts
/// as the same one, by the same calls.
#[derive(Debug)]
pub(crate) struct OtherUser {
    before: u32,
}

impl OtherUser {
    pub(crate) fn begin() -> Self {
        let before = geteuid().as_raw();
        act_as(NOBODY)
            .or_else(|_| act_as(before))
            .expect("a process may act as the user that it is");
        OtherUser { before }
    }
}

impl Drop for OtherUser {
    fn drop(&mut self) {
        act_as(self.before).expect("the saved user is the one before");
    }
}

fn act_as(user: u32) -> io::Result<()> {
    // SAFETY: takes a plain value, and changes all threads that the C library knows.
    succeeds(unsafe { libc::seteuid(user) })
}

/// Acts as the user that this process is. The C library tells that to all threads that it knows.
/// Async-signal-safe.
pub(crate) fn act_as_oneself() -> io::Result<()> {
    act_as(geteuid().as_raw())
}

/// Becomes another user and keeps the capabilities of this thread, as `setpriv(1)` does before it
/// executes a program. The C library changes the user of all threads.
///
/// # Errors
///
/// What the kernel answers. If it answers another thread differently, the C library ends the process.
pub(crate) fn become_another_with_capabilities() -> io::Result<()> {
    set_keep_capabilities(true)?;
    let before = capabilities(None)?;
    // SAFETY: takes plain values, and changes all threads that the C library knows.
    succeeds(unsafe { libc::setresuid(NOBODY, NOBODY, SAME) })?;
    set_keep_capabilities(false)?;
    Ok(set_capabilities(None, before)?)
}

/// Becomes root again, who this process was before.
///
/// # Errors
///
/// As [`become_another_with_capabilities`].
pub(crate) fn become_root_again() -> io::Result<()> {
    // SAFETY: takes plain values, and changes all threads that the C library knows.
    succeeds(unsafe { libc::setresuid(0, 0, SAME) })
}

/// Becomes another group, and returns to root's. Each thread needs the capability.
///
/// # Errors
///
/// As [`become_another_with_capabilities`].
pub(crate) fn change_the_group() -> io::Result<()> {
    for group in [NOBODY, 0] {
        // SAFETY: takes plain values, and changes all threads that the C library knows.
        succeeds(unsafe { libc::setresgid(group, group, SAME) })?;
    }
    Ok(())
}

/// Returns `Ok` if this process is root's, and may become another user and group.
pub(crate) fn may_become_another() -> Result<(), String> {
    let may = || {
        become_another_with_capabilities()?;
        change_the_group()?;
        become_root_again()
    };
    // SAFETY: the copy makes system calls only. Nothing else runs in this process while a
    // case's needs are looked at.
    let copy = unsafe { birth::fork_copy(|| may().is_err().into()) };
    let copy = copy.map_err(|error| error.to_string())?;
    match death::reap(copy) {
        Some(status) if status.success() => Ok(()),
        _ => Err("this process may not become another user and group".to_owned()),
    }
}

fn succeeds(answer: libc::c_int) -> io::Result<()> {
    match answer {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The real, effective, saved and file system user of each thread, as the kernel shows them.
pub(crate) fn users_of_threads() -> Vec<String> {
    let users = |thread| {
        let status = fs::read_to_string(format!("/proc/self/task/{thread}/status")).ok()?;
        let users = status.lines().find(|line| line.starts_with("Uid:"))?;
        Some(users.to_owned())
    };
    super::threads::threads()
        .into_iter()
        .filter_map(users)
        .collect()
}
