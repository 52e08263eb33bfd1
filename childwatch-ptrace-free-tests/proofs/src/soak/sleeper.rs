//! [`Sleeper`]: a child that costs next to nothing, and is let go by itself.
//!
//! It shares this process's memory and table of files, as a member of a
//! [`Crowd`](childwatch_ptrace_free_tests::kit::crowd::Crowd) does. It sleeps on a word of that
//! memory, so it needs no file, and nothing is torn down at its end. To the kernel and to a
//! watcher it is a child like any other.

#![expect(
    unsafe_code,
    reason = "`clone` with shared memory, and the order that the child reads there"
)]

use std::io;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};

use childwatch_core::Pid;
use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use rustix::thread::futex;

use childwatch_ptrace_free_tests::kit::sys::birth::{self, SMALL_STACK};
use childwatch_ptrace_free_tests::kit::sys::death;

/// A child that sleeps until it is let go. Dropping it kills and reaps what is left of it.
#[derive(Debug)]
pub(super) struct Sleeper {
    pid: Pid,
    is_reaped: bool,
    order: Box<Order>,
    // The child runs on it until it is reaped, which `drop` sees to.
    _stack: Vec<u8>,
}

#[derive(Debug)]
struct Order {
    /// [`ASLEEP`] from the child; [`LET_GO`], and the code to exit with, to it.
    word: AtomicU32,
    /// The process that has made the child.
    parent: Option<rustix::process::Pid>,
}

const LET_GO: u32 = 1 << 8;
const ASLEEP: u32 = 1 << 9;

impl Sleeper {
    /// A new child, asleep.
    pub(super) fn new() -> io::Result<Self> {
        let mut stack = vec![0; SMALL_STACK];
        let order = Box::new(Order {
            word: AtomicU32::new(0),
            parent: Some(getpid()),
        });
        // SAFETY: stack and order are this child's alone and outlive it, for `drop` reaps
        // it before they are freed; moving their owner does not move them. `sleep` makes
        // no use of thread-local storage, which it shares with this thread.
        let pid = unsafe {
            let order = &raw const *order;
            birth::clone_sharing_memory(sleep, stack.as_mut_ptr(), order, libc::SIGCHLD)
        }?;
        Ok(Sleeper {
            pid,
            is_reaped: false,
            order,
            _stack: stack,
        })
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it ends with the thread that has made it by now. A child that is stopped before
    /// that may outlive this process.
    pub(super) fn is_asleep(&self) -> bool {
        self.order.word.load(Ordering::SeqCst) & ASLEEP != 0
    }

    /// Lets it exit with this code, and does not wait for it.
    pub(super) fn let_go(&self, code: u8) {
        let Order { word, .. } = &*self.order;
        word.fetch_or(LET_GO | u32::from(code), Ordering::SeqCst);
        // EFAULT and EINVAL are for words that are none.
        let _ = futex::wake(word, futex::Flags::PRIVATE, 1);
    }

    /// Waits until it has exited, and reaps it.
    pub(super) fn reap(&mut self) -> Option<ExitStatus> {
        self.is_reaped = true;
        death::reap(self.pid)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // Somebody else may have reaped it.
        if !self.is_reaped && death::is_child(self.pid) {
            death::kill(self.pid);
            self.reap();
        }
    }
}

/// A child's whole life: system calls without libc, which would write to `errno`.
extern "C" fn sleep(order: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `Sleeper` gives an order that outlives the child.
    let Order { word, parent } = unsafe { &*order.cast::<Order>() };
    // Then it ends with the thread that has made it, whatever ends that thread. That thread
    // may have ended already.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    if getppid() != *parent {
        return 0;
    }
    word.fetch_or(ASLEEP, Ordering::SeqCst);
    loop {
        let order = word.load(Ordering::SeqCst);
        if order & LET_GO != 0 {
            return (order & 0xFF) as libc::c_int;
        }
        // Woken, signalled, or let go before it slept: look again.
        let _ = futex::wait(word, futex::Flags::PRIVATE, order, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_exits_with_the_code_that_it_is_given() {
        let mut first = Sleeper::new().unwrap();
        let mut second = Sleeper::new().unwrap();
        second.let_go(0);
        first.let_go(255);
        assert_eq!(first.reap().and_then(|status| status.code()), Some(255));
        assert_eq!(second.reap().and_then(|status| status.code()), Some(0));
        drop(Sleeper::new().unwrap());
    }
}
