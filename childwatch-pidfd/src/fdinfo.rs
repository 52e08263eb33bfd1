//! [`pid`]: the pid that `/proc` shows for a pidfd. `PIDFD_GET_INFO` answers without files, but only
//! from Linux 6.13 on.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Returns the pid of a pidfd in the pid namespace of the mounted `/proc`: -1 if its process has been
/// reaped, and 0 if the process has none there. Linux 5.4 shows the former pid instead of -1. Returns
/// `None` if the file shows no pid.
///
/// # Errors
///
/// Why the file cannot be read.
pub(crate) fn pid(pidfd: BorrowedFd<'_>) -> io::Result<Option<i64>> {
    let info = read(&format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    Ok(field(&info, "Pid:").and_then(|number| number.parse().ok()))
}

/// Reads a file of `/proc` as text. The name of a process in it need not be UTF-8.
pub(crate) fn read(path: &str) -> io::Result<String> {
    let bytes = fs::read(path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns what follows `name` at the begin of a line.
pub(crate) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(name).map(str::trim))
}
