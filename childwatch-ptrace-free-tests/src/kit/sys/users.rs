//! The users that the threads of this process act as.

#![expect(unsafe_code, reason = "`seteuid`")]

use std::fs;

use rustix::process::{geteuid, getuid};

/// This process acts as another user, until dropped. A process of an ordinary user acts as
/// the same one, by the same calls.
#[derive(Debug)]
pub(crate) struct OtherUser {
    before: u32,
}

/// Linux's user without files.
const NOBODY: u32 = 65534;

impl OtherUser {
    pub(crate) fn begin() -> Self {
        let before = geteuid().as_raw();
        act_as(if getuid().is_root() { NOBODY } else { before });
        OtherUser { before }
    }
}

impl Drop for OtherUser {
    fn drop(&mut self) {
        act_as(self.before);
    }
}

fn act_as(user: u32) {
    // SAFETY: takes a plain value, and changes all threads that the C library knows.
    let answer = unsafe { libc::seteuid(user) };
    assert_eq!(answer, 0, "seteuid({user})");
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
