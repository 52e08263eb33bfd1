//! [`Crowd`]: thousands of children that cost next to nothing.
//!
//! They share this process's memory and table of files (`CLONE_VM`, `CLONE_FILES`). So each is
//! a kernel task and two pages of stack, with nothing to tear down at its end. To the kernel
//! and to a watcher they are children like any other.

#![expect(
    unsafe_code,
    reason = "children that share this process's memory and files"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use childwatch_core::Pid;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::time::ClockId;

use crate::kit::sys::birth::{self, SMALL_STACK};
use crate::kit::sys::{death, threads};

/// Children that wait until they are let go. Dropping it lets go of all that are left
/// and reaps them.
#[derive(Debug)]
pub struct Crowd {
    members: Vec<Member>,
    // Declared after the members, and so dropped after them: they run on the one and
    // read from the other until they are reaped.
    stacks: Vec<u8>,
    gate: OwnedFd,
}

/// One child of a crowd.
#[derive(Debug)]
pub struct Member {
    pid: Pid,
    code: u8,
    part: Box<Part>,
    is_reaped: bool,
}

/// What a child and its maker share.
#[derive(Debug)]
struct Part {
    gate: RawFd,
    code: u8,
    /// When it was about to exit, in nanoseconds; zero before.
    left_at: AtomicU64,
}

impl Crowd {
    /// Starts `count` children, and returns them with the write end of their gate. Each exits
    /// when it has read a byte from the gate, with codes 0 to 255 in turn. When the write end
    /// is closed, all exit.
    ///
    /// # Errors
    ///
    /// When there is no room for so many processes, or for the gate; those made are
    /// reaped.
    pub fn gather(count: usize) -> io::Result<(Self, OwnedFd)> {
        Self::gather_with(libc::SIGCHLD, count)
    }

    /// The same with children whose exits send no signal to this process. To wait for such
    /// a child takes `__WALL`.
    ///
    /// # Errors
    ///
    /// As [`gather`](Self::gather)'s.
    pub fn gather_silent(count: usize) -> io::Result<(Self, OwnedFd)> {
        Self::gather_with(0, count)
    }

    fn gather_with(exit_signal: i32, count: usize) -> io::Result<(Self, OwnedFd)> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut crowd = Crowd {
            members: Vec::with_capacity(count),
            stacks: vec![0; count * SMALL_STACK],
            gate: read,
        };
        for index in 0..count {
            let member = crowd.make_member(exit_signal, index)?;
            crowd.members.push(member);
        }
        Ok((crowd, write))
    }

    fn make_member(&mut self, exit_signal: i32, index: usize) -> io::Result<Member> {
        let part = Box::new(Part {
            gate: self.gate.as_raw_fd(),
            code: index.to_ne_bytes()[0],
            left_at: AtomicU64::new(0),
        });
        let stack = self.stacks.as_mut_ptr().wrapping_add(index * SMALL_STACK);
        // SAFETY: the stack is this child's alone, and outlives it, as its part and
        // the gate do: `Member` reaps it before any of them is freed. `take_part`
        // makes no use of thread-local storage, which it shares with this thread.
        let pid = unsafe {
            birth::clone_sharing_memory(take_part, stack, &raw const *part, exit_signal)
        }?;
        Ok(Member {
            pid,
            code: part.code,
            part,
            is_reaped: false,
        })
    }

    /// The children.
    pub fn members(&mut self) -> &mut [Member] {
        &mut self.members
    }
}

impl Member {
    /// Its number.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The code that it exits with.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.code.into()
    }

    /// When it was about to exit, on the monotonic clock; `None` before.
    #[must_use]
    pub fn left_at(&self) -> Option<Duration> {
        match self.part.left_at.load(Ordering::SeqCst) {
            0 => None,
            nanoseconds => Some(Duration::from_nanos(nanoseconds)),
        }
    }

    /// Waits until the child has exited, without reaping it.
    pub fn wait_until_dead(&self) {
        death::confirm_dead(self.pid);
    }

    /// Waits until it has exited, and reaps it. Returns `None` if somebody else has reaped
    /// the child.
    pub fn reap(&mut self) -> Option<std::process::ExitStatus> {
        self.is_reaped = true;
        death::reap(self.pid)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if !self.is_reaped {
            death::kill(self.pid);
            self.reap();
        }
    }
}

/// The monotonic clock, as children read it.
#[must_use]
pub fn now() -> Duration {
    threads::time_by(ClockId::Monotonic)
}

/// A child's whole life: system calls without libc, which would write to `errno`.
extern "C" fn take_part(part: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `gather` gives a part that outlives the child.
    let part = unsafe { &*part.cast::<Part>() };
    // SAFETY: the crowd keeps the gate open until it has reaped this child.
    let gate = unsafe { BorrowedFd::borrow_raw(part.gate) };
    while rustix::io::read(gate, &mut [0_u8]) == Err(rustix::io::Errno::INTR) {}
    let nanoseconds = now().as_nanos();
    part.left_at.store(nanoseconds as u64, Ordering::SeqCst);
    part.code.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_crowd_exits_with_the_codes_of_any_other() {
        let (mut crowd, gate) = Crowd::gather_silent(2).unwrap();
        assert_eq!(crowd.members()[1].left_at(), None);
        drop(gate);
        for (code, member) in (0..).zip(crowd.members()) {
            member.wait_until_dead();
            assert!(member.left_at().is_some());
            assert_eq!(member.reap().and_then(|status| status.code()), Some(code));
        }
    }
}
