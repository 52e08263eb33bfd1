//! [`Listener`]: a thread's system calls, each of which waits for an answer before the
//! kernel takes it up (seccomp's user notifications).

#![expect(
    unsafe_code,
    reason = "seccomp's notifications: a filter, its fd, and the structures that the kernel reads and writes"
)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

/// Reports every system call of the thread that made the listener, and of the threads that
/// this thread has started since. Each call waits until it is answered.
#[derive(Debug)]
pub(super) struct Listener(OwnedFd);

/// A system call that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notice {
    id: u64,
    /// The thread that makes it.
    pub(super) thread: u32,
    pub(super) call: libc::c_long,
    pub(super) arguments: [u64; 6],
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The kernel makes the call as if there were no listener.
    Proceed,
    /// The kernel leaves it alone, and the thread gets this error.
    Fail(Errno),
}

const RECEIVE: Opcode = opcode::read_write::<libc::seccomp_notif>(b'!', 0);
const SEND: Opcode = opcode::read_write::<libc::seccomp_notif_resp>(b'!', 1);

const _: () = assert!(RECEIVE == 0xC050_2100 && SEND == 0xC018_2101);

impl Listener {
    /// Has every call of this thread wait from now on. There is no way back. It makes no call
    /// itself once it has been made: no thread could answer.
    ///
    /// # Errors
    ///
    /// Returns the kernel's error if Linux is older than 5.19, or if the permission is
    /// missing.
    pub(super) fn to_this_thread() -> io::Result<Self> {
        // SAFETY: takes plain values.
        if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } == -1 {
            return Err(io::Error::last_os_error());
        }
        let mut filter = [libc::sock_filter {
            code: (libc::BPF_RET | libc::BPF_K) as u16,
            jt: 0,
            jf: 0,
            k: libc::SECCOMP_RET_USER_NOTIF,
        }];
        let program = libc::sock_fprog {
            len: 1,
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: the program, and the filter of the length that it names, live across
        // the call.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                FLAGS,
                &raw const program,
            )
        };
        if answer == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just opened it for us, close-on-exec.
        Ok(Listener(unsafe { OwnedFd::from_raw_fd(answer as RawFd) }))
    }

    /// The next call, for which it waits.
    pub(super) fn receive(&self) -> Result<Notice, Errno> {
        // SAFETY: all zeros is a valid seccomp_notif, and what the kernel demands to get.
        let mut notice: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the opcode is SECCOMP_IOCTL_NOTIF_RECV (asserted above), whose argument
        // is this structure.
        unsafe { ioctl(&self.0, Updater::<RECEIVE, _>::new(&mut notice)) }?;
        Ok(Notice {
            id: notice.id,
            thread: notice.pid,
            call: notice.data.nr.into(),
            arguments: notice.data.args,
        })
    }

    /// Lets a call go on, or fail. A call whose thread has gone meanwhile needs no answer.
    pub(super) fn answer(&self, notice: &Notice, answer: Answer) {
        let mut response = libc::seccomp_notif_resp {
            id: notice.id,
            val: 0,
            error: 0,
            flags: 0,
        };
        match answer {
            Answer::Proceed => response.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
            Answer::Fail(errno) => {
                notice.close_as_the_kernel_does();
                response.error = -errno.raw_os_error();
            }
        }
        // SAFETY: the opcode is SECCOMP_IOCTL_NOTIF_SEND (asserted above), whose argument
        // is this structure. To let a call go on changes nothing of what its thread does;
        // to fail it is what the kernel may do with any call.
        let _ = unsafe { ioctl(&self.0, Updater::<SEND, _>::new(&mut response)) };
    }
}

impl Notice {
    /// Linux frees a file's number before anything can go wrong in `close`: an error does
    /// not mean that the file is open still.
    fn close_as_the_kernel_does(&self) {
        if self.call == libc::SYS_close {
            let number = self.arguments[0] as RawFd;
            // SAFETY: this process shares its files with the thread that waits for the
            // answer, which has given the number up in a call of `close`.
            drop(unsafe { OwnedFd::from_raw_fd(number) });
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The second flag keeps signals from interrupting a call that has been reported. Otherwise
/// the call would be made and reported twice (Linux 5.19).
const FLAGS: libc::c_ulong =
    libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;

/// Checks that a [`Listener`] is available here. It changes nothing.
pub(super) fn may_listen_to_calls() -> io::Result<()> {
    // Who could have one finds first that this filter can't be read (EFAULT).
    //
    // SAFETY: the kernel reads the filter, and checks that it can.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            FLAGS,
            std::ptr::null::<libc::sock_fprog>(),
        )
    };
    let error = io::Error::last_os_error();
    match (answer, error.raw_os_error()) {
        (-1, Some(libc::EFAULT)) => Ok(()),
        _ => Err(error),
    }
}

#[cfg(test)]
impl Notice {
    /// A call that no thread has made.
    pub(super) fn of(call: libc::c_long) -> Self {
        Notice {
            id: 0,
            thread: 0,
            call,
            arguments: [0; 6],
        }
    }
}
