//! [`is_readable`]: if a pidfd is readable, its process has exited.
//!
//! `poll` fails with `EINVAL` if it is asked about more descriptors than `RLIMIT_NOFILE`
//! allows. A sandboxed program may have set this limit to 0, after it has opened what it
//! needs. `select` does not check the limit. A filter of system calls may refuse either call.

#![expect(unsafe_code, reason = "`select`")]

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::event::{
    FdSetElement, PollFd, PollFlags, Timespec, fd_set_insert, fd_set_num_elements, poll, select,
};
use rustix::io::Errno;

/// Returns `true` if the pidfd is readable now, and `None` if the kernel does not answer.
pub(crate) fn is_readable(pidfd: &OwnedFd) -> Option<bool> {
    by_poll(pidfd).or_else(|_| by_select(pidfd)).ok()
}

fn by_poll(pidfd: &OwnedFd) -> Result<bool, Errno> {
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default()))?;
    // POLLNVAL: the number is not open on this thread. That is no exit.
    Ok(fds[0].revents().contains(PollFlags::IN))
}

fn by_select(pidfd: &OwnedFd) -> Result<bool, Errno> {
    let number = pidfd.as_raw_fd();
    let bound = number + 1;
    let mut set = vec![FdSetElement::default(); fd_set_num_elements(1, bound)];
    fd_set_insert(&mut set, number);
    // SAFETY: the set has an element for each number below the bound. The one number in it is
    // that of an open file.
    let ready = unsafe {
        select(
            bound,
            Some(&mut set),
            None,
            None,
            Some(&Timespec::default()),
        )
    };
    Ok(ready? > 0)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use rustix::io::fcntl_dupfd_cloexec;
    use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

    use super::*;

    #[test]
    fn both_calls_find_an_exit_and_not_a_life() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let number = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let pidfd = pidfd_open(number.unwrap(), PidfdFlags::empty()).unwrap();
        let high = fcntl_dupfd_cloexec(&pidfd, 200).unwrap();
        let answers = || {
            let asked = [&pidfd, &high].map(|pidfd| [by_poll(pidfd), by_select(pidfd)]);
            asked.as_flattened().to_vec()
        };
        assert_eq!(answers(), [Ok(false); 4]);
        drop(child.stdin.take());
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(number.unwrap()), options).unwrap();
        assert_eq!(answers(), [Ok(true); 4]);
        child.wait().unwrap();
        assert_eq!(answers(), [Ok(true); 4]);
        assert_eq!(is_readable(&pidfd), Some(true));
    }
}
