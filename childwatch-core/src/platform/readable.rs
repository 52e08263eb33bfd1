//! [`await_readable`]: waits until a file is readable.
//!
//! `poll` fails with `EINVAL` if it is asked about more descriptors than `RLIMIT_NOFILE`
//! allows. A sandboxed program may have set this limit to 0, after it has opened what it
//! needs. `select` does not check the limit. A filter of system calls may refuse either call.

#![expect(unsafe_code, reason = "`select`")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{
    FdSetElement, PollFd, PollFlags, Timespec, fd_set_insert, fd_set_num_elements, poll, select,
};
use rustix::io::Errno;

/// Waits until a file is readable, at most for `timeout`. Returns `true` if it is.
/// `Some(Duration::ZERO)` does not wait, and `None` waits without a limit.
///
/// It works at every limit of open files (`RLIMIT_NOFILE`), also at 0.
///
/// # Errors
///
/// Any error of the kernel. [`Interrupted`](io::ErrorKind::Interrupted) if a signal has been
/// handled.
pub fn await_readable(descriptor: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
    // A time that the kernel cannot count to is no limit.
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    let is_readable = match by_poll(descriptor, timeout.as_ref()) {
        Ok(is_readable) => Ok(is_readable),
        Err(Errno::INTR) => Err(Errno::INTR),
        Err(_) => by_select(descriptor, timeout.as_ref()),
    };
    Ok(is_readable?)
}

fn by_poll(descriptor: BorrowedFd<'_>, timeout: Option<&Timespec>) -> Result<bool, Errno> {
    let mut fds = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
    poll(&mut fds, timeout)?;
    // POLLNVAL: the number is not open on this thread.
    Ok(fds[0].revents().contains(PollFlags::IN))
}

fn by_select(descriptor: BorrowedFd<'_>, timeout: Option<&Timespec>) -> Result<bool, Errno> {
    let number = descriptor.as_raw_fd();
    let bound = number + 1;
    let mut set = vec![FdSetElement::default(); fd_set_num_elements(1, bound)];
    fd_set_insert(&mut set, number);
    // SAFETY: the set has an element for each number below the bound. The one number in it is
    // that of an open file.
    let ready = unsafe { select(bound, Some(&mut set), None, None, timeout) };
    Ok(ready? > 0)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::io::fcntl_dupfd_cloexec;
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    const AT_ONCE: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };

    #[test]
    fn both_calls_find_what_is_readable_and_nothing_else() {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        // The set has a word for 64 numbers: so the last of one word and the first of the next.
        let numbers = [191, 192, 200].map(|at_least| {
            let mut file = fcntl_dupfd_cloexec(&read, at_least).unwrap();
            // Another test may have the number.
            while at_least != 200 && file.as_raw_fd() % 64 != at_least % 64 {
                file = fcntl_dupfd_cloexec(&read, file.as_raw_fd() + 1).unwrap();
            }
            file
        });
        let answers = || {
            let files = std::iter::once(&read).chain(&numbers);
            let asked = files.flat_map(|file| {
                let (file, now) = (file.as_fd(), Some(&AT_ONCE));
                [by_poll(file, now), by_select(file, now)]
            });
            asked.collect::<Vec<_>>()
        };
        assert_eq!(answers(), [Ok(false); 8]);
        rustix::io::write(&write, b"on").unwrap();
        assert_eq!(answers(), [Ok(true); 8]);
        let now = await_readable(read.as_fd(), Some(Duration::ZERO));
        assert!(now.unwrap());
    }

    #[test]
    fn both_calls_wait_no_longer_than_they_may() {
        const LIMIT: Duration = Duration::from_millis(2);
        let (read, _write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let limit = Timespec::try_from(LIMIT).unwrap();
        for call in [by_poll, by_select] {
            let start = std::time::Instant::now();
            assert_eq!(call(read.as_fd(), Some(&limit)), Ok(false));
            assert!(start.elapsed() >= LIMIT);
        }
    }

    /// No timer of the kernel counts so far.
    #[test]
    fn a_time_without_an_end_is_no_limit() {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        rustix::io::write(&write, b"on").unwrap();
        for limit in [Some(Duration::MAX), None] {
            assert!(await_readable(read.as_fd(), limit).unwrap());
        }
    }
}
