//! Reports a child's exit through `SIGCHLD` and `waitid(WNOWAIT)`: the fallback backend
//! of childwatch.
//!
//! It is for kernels before 5.4, for sandboxes without `pidfd_open`, and for programs that
//! run out of file descriptors: [`SigchldWatcher`] keeps none open. A watcher costs one
//! thread, named `childwatch-chld`, and keeps the contract of [`PidWatcher`] for children of
//! this process. If pidfds are available, choose `childwatch-pidfd`.
//!
//! [`SigchldWatcher::driven`] makes a watcher without a thread, for a program that has a loop of
//! its own. It keeps three descriptors open (an epoll instance, an eventfd and a timerfd), and
//! changes no mask.
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
//! let (sender, receiver) = mpsc::channel();
//! watcher.on_exit(Pid::from(&child), move |exit| sender.send(exit).unwrap())?;
//! assert_eq!(receiver.recv()?.status().unwrap().code(), Some(3));
//!
//! child.wait()?; // reaping is left to the program
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `AutoWatcher` of `childwatch-pidfd`, with the feature `sigchld` there, takes pidfds for as many
//! processes as possible, and `SIGCHLD` for the rest. Its documentation has an example for a
//! [`FallbackWatcher`](childwatch_core::FallbackWatcher) of your own.
//!
//! # Targets
//!
//! | target | state |
//! |---|---|
//! | x86-64 with glibc | the whole suite runs in CI |
//! | x86-64 with musl, i686 with glibc | the suite has run on them; CI compiles the crate |
//! | aarch64 with glibc and musl; armv7 and riscv64gc with glibc | the suite has run on them, in QEMU; CI compiles the crate |
//! | i686 with musl; powerpc64le and s390x with glibc | CI compiles the crate |
//! | MIPS, 32-bit PowerPC, Android | not supported |
//!
//! # What changes in the process
//!
//! - **The handler of `SIGCHLD`.** When the first child is watched, signal-hook's handler is
//!   installed. It first calls the handler that was there before. It **stays installed**,
//!   because it cannot be removed without races. While nothing is watched it does next to
//!   nothing.
//! - **The flags and the mask of the handler.** If a handler was found, its flags and its
//!   mask stay, except that `SA_SIGINFO` is added and `SA_RESETHAND` removed. If none was
//!   found, `SA_RESTART` and `SA_ONSTACK` are set, and the handler blocks all signals except
//!   the synchronous ones. So no handler of the program's runs on top of it. In both cases the handler
//!   blocks the signals that the C library keeps to itself, so `pthread_cancel` ends no thread inside
//!   it. `SA_NOCLDSTOP` and `SA_NOCLDWAIT` stay as they were. If `SIGCHLD` was ignored, `SA_NOCLDWAIT` lets the kernel go on reaping.
//! - **The mask of one thread.** The watcher's thread unblocks `SIGCHLD` while an exit is still
//!   to be reported. Otherwise it blocks the signal. If the program has a
//!   handler of its own, the thread always blocks it. (If that was installed while the thread slept, the
//!   thread blocks the signal when it next wakes, after a second at most.) It blocks all other signals except the
//!   synchronous ones. While a callback runs, the thread has the mask of the thread that
//!   created the watcher.
//!
//! If a program receives `SIGCHLD` itself, it should use [`SigchldWatcher::with_forwarder`].
//! Then none of these three changes.
//!
//! # What your program must know
//!
//! - Programs that handle `SIGCHLD` themselves notice the watcher, and so do programs without a
//!   handler. [`limits`] lists each case, with the way around.
//! - Only children can be watched. Other processes are refused with
//!   [`NotAChild`](WatchError::NotAChild).
//! - An exit is reported at once if its signal names it, within milliseconds if signals were merged,
//!   and at most about a second late if no signal came: see
//!   [where this backend differs](limits#where-this-backend-differs).
//!
//! # Cost
//!
//! A lone exit costs one `waitid`, and then a sweep: 0.3 to 0.9 µs for each watched child, at
//! most 5 % of a core while exits keep coming. While no child is watched, nothing runs.
//!
//! If many children exit at once, the signal costs most. For each exit the kernel interrupts
//! the thread that has started the child, which takes some microseconds. It chooses another
//! thread only if that one blocks `SIGCHLD`. A program without a handler of its own can block
//! the signal on all of its own threads. The signals then go to the watcher's thread, which is
//! awake anyway, and such exits take about half the processor time. Children inherit the mask,
//! also through [`Command`](std::process::Command), and some programs depend on it. So a child
//! should unblock the signal before its `exec`.
//!
//! # Kernels
//!
//! Linux 4.7 or later (`__WALL` in `waitid`). [`probe`] returns what is available. Before 5.13
//! a `waitid` of one child walks over all of them (268 µs at 1,000 children on 5.10), so a
//! sweep reads `/proc/PID/stat` first.

#![cfg_attr(docsrs, feature(doc_cfg))]

// Outside the macro: tools that follow the modules do not look into one.
mod events;
mod kernel;
pub mod limits;
mod listen;
mod look;
#[cfg(childwatch_loom)]
#[cfg(test)]
mod models;
mod pollable;
mod poller;
mod probe;
mod schedule;
mod source;
mod sync;
mod table;
mod watcher;

cfg_if::cfg_if! {
    if #[cfg(target_os = "linux")] {
        pub use listen::forwarder::Forwarder;
        pub use pollable::{PollableSigchldSource, PollableSigchldWaiter};
        pub use probe::{Disposition, Probe, ProcView, probe};
        pub use source::{SigchldSource, SigchldWaiter};
        pub use watcher::SigchldWatcher;
    } else {
        compile_error!("childwatch-sigchld needs Linux: it relies on how Linux orders a zombie and its signal");
    }
}

pub use childwatch_core::{
    DrivenWatcher, Driver, Exit, ExitCallback, ExitSet, Exited, Exits, InvalidPid, NextExit, Pid,
    PidWatcher, PidWatcherExt, ResourceUsage, Unregistered, WatchError, WatchGuard, WatchHandle,
    WatcherStats,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
