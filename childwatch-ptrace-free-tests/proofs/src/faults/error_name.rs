//! [`error_name`]: an error's name, as manual pages have it.

use rustix::io::Errno;

/// The name of an error of the table; of another, its number.
#[must_use]
pub fn error_name(errno: Errno) -> String {
    let name = match errno {
        Errno::ACCESS => "EACCES",
        Errno::AGAIN => "EAGAIN",
        Errno::BADF => "EBADF",
        Errno::CHILD => "ECHILD",
        Errno::DQUOT => "EDQUOT",
        Errno::EXIST => "EEXIST",
        Errno::INTR => "EINTR",
        Errno::INVAL => "EINVAL",
        Errno::IO => "EIO",
        Errno::MFILE => "EMFILE",
        Errno::NFILE => "ENFILE",
        Errno::NODEV => "ENODEV",
        Errno::NOENT => "ENOENT",
        Errno::NOMEM => "ENOMEM",
        Errno::NOSPC => "ENOSPC",
        Errno::NOSYS => "ENOSYS",
        Errno::NOTTY => "ENOTTY",
        Errno::PERM => "EPERM",
        Errno::SRCH => "ESRCH",
        other => return other.raw_os_error().to_string(),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::CALLS;

    #[test]
    fn every_error_of_the_table_has_a_name() {
        for errno in CALLS.iter().flat_map(|call| call.errors) {
            assert!(error_name(*errno).starts_with('E'), "{errno:?}");
        }
    }
}
