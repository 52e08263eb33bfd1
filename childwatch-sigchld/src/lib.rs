//! Tells of a child's exit through `SIGCHLD` and `waitid(WNOWAIT)`: the fallback
//! backend of childwatch.
//!
//! For kernels before 5.4, sandboxes without `pidfd_open`, and programs that run out
//! of file descriptors: [`SigchldWatcher`] uses none. It costs one thread, named
//! `childwatch-chld`, and keeps the contract of [`PidWatcher`] for children of this
//! process. On a kernel that has pidfds, `childwatch-pidfd` is simpler and is the one
//! to choose.
//!
//! # What is global to the process, and what stays
//!
//! - **The handler of `SIGCHLD`.** The first watcher installs signal-hook's, which
//!   calls the handler that it found first, and so on for each `SIGCHLD`. In a
//!   [`Fallback`](childwatch_core::Fallback) the first child that spills over does:
//!   until then nothing is installed. It **stays installed** when the last watcher is
//!   dropped: taking it out again cannot be done without races. It does next to nothing
//!   then.
//! - **Its flags.** `SA_RESTART` and `SA_ONSTACK` are set. `SA_NOCLDSTOP` is set unless
//!   the handler that was found wants to hear of stopped children. Where the kernel
//!   reaped children by itself (`SIG_IGN`, or `SA_NOCLDWAIT`), `SA_NOCLDWAIT` keeps that
//!   on.
//! - **Signal masks.** Only the watcher's own thread has `SIGCHLD` unblocked by us, and
//!   everything else blocked but what faults raise (outside callbacks); a program that blocks `SIGCHLD` in all its threads is
//!   heard nevertheless.
//!
//! # Where this backend differs
//!
//! - Only children can be watched: others are refused with
//!   [`NotAChild`](WatchError::NotAChild).
//! - The status of a child that somebody else has reaped is known if its own signal
//!   brought it, which is so unless several children exit within microseconds; `None`
//!   otherwise. (Seen up to Linux 6.12, and no more on 6.18: of a process whose first
//!   thread has ended before the others that signal tells the first thread's code.)
//! - A child that nobody signals for (its exit signal is not `SIGCHLD`), and every
//!   child after another library has replaced the handler, is found by a *heartbeat*:
//!   a look at all children, 250 ms after the last news, then ever less often, up to
//!   every 5 s; less often with ten thousands of children, so that it takes no more than
//!   0.5 % of one core while they come and go, and 0.05 % when they don't. A replaced
//!   handler is noticed then, and keeps the heartbeat at 250 ms; it is not put back, for
//!   the replacement may have reasons.
//! - When a number comes back for another child within the 10 ms in which the first
//!   was registered, and somebody else has reaped the first, the two are taken for one
//!   if nothing was heard of the first's end, its signal merged with another's, or if
//!   the second has exited with the same status before it is registered; before Linux
//!   6.18 with any status.
//! - When somebody else has reaped a child whose signal was merged with another's, and
//!   its number comes back for a child that exits without having been registered here,
//!   and all that before the watcher looks (a heartbeat at most), the first is told the
//!   second's status: a signal carries a number and no more.
//!
//! # Cost
//!
//! An exit that comes alone costs one `waitid`, whatever the number of children. When
//! signals may have been merged, all watched children are looked at, in chunks: looks that
//! find nothing take a burst of 2 ms of processor time and then at most 5 % of one core.
//! Signals that come meanwhile go first. With no children watched nothing runs at all.
//!
//! What costs most in a crowd's exits is the signal. The kernel interrupts the thread that
//! has started the child, some microseconds for each, and turns to another thread only if
//! that one blocks `SIGCHLD`. A program that blocks it on all threads of its own leaves
//! it to the watcher's, which is awake anyway: such exits then take about half the
//! processor time. Children inherit the mask, through
//! [`Command`](std::process::Command) too, and some programs mind: a child should unblock
//! the signal before its `exec`.
//!
//! # Kernels
//!
//! Linux 4.7 or later (`__WALL` in `waitid`); [`probe`] says what is there. Before 5.13 a
//! `waitid` of one child walks all of them (268 µs at 1,000 children on 5.10): there the
//! watcher looks into `/proc` first.
//!
//! # Examples
//!
//! ```
//! use std::process::Command;
//! use std::sync::mpsc;
//! use childwatch_sigchld::{Pid, PidWatcher, PidWatcherExt, SigchldWatcher};
//!
//! let watcher = SigchldWatcher::new()?;
//! let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn()?;
//!
//! let (tell, told) = mpsc::channel();
//! watcher.on_exit(Pid::from(&child), move |exit| tell.send(exit).unwrap())?;
//! assert_eq!(told.recv()?.status().unwrap().code(), Some(3));
//!
//! child.wait()?; // reaping is left to the program
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Pidfds as long as there are file descriptors for them, and then this:
//!
//! ```
//! use childwatch_core::Fallback;
//! use childwatch_pidfd::PidfdSource;
//! use childwatch_sigchld::SigchldSource;
//!
//! let watcher = Fallback::new(PidfdSource::new()?, SigchldSource::new()?)?;
//! assert_eq!(watcher.spilled(), 0);
//! # Ok::<(), childwatch_core::WatchError>(())
//! ```

// Outside the macro: tools that follow the modules do not look into one.
mod bell;
mod child;
mod filter;
mod futex;
mod handler;
mod hints;
mod kernel;
mod look;
#[cfg(loom)]
#[cfg(test)]
mod models;
mod pace;
mod plan;
mod probe;
mod source;
mod stopwatch;
mod sync;
mod table;
mod watcher;

cfg_if::cfg_if! {
    if #[cfg(target_os = "linux")] {
        pub use probe::{Disposition, Probe, probe};
        pub use source::{SigchldSource, SigchldWaiter};
        pub use watcher::SigchldWatcher;
    } else {
        compile_error!("childwatch-sigchld needs Linux: it relies on how Linux orders a zombie and its signal");
    }
}

pub use childwatch_core::{
    Exit, ExitCallback, Exited, InvalidPid, Pid, PidWatcher, PidWatcherExt, Unregistered,
    WatchError, WatchGuard, WatchHandle,
};
