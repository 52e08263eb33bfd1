//! Reports the exit of a process through pidfds in epoll: the primary backend of
//! childwatch.
//!
//! [`PidfdWatcher`] watches children and any other process. Each watched process
//! costs one file descriptor while it is registered. A watcher costs three, and
//! one thread, named `childwatch-pid`. Outside callbacks that thread blocks every
//! signal except SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP and SIGSYS. The watcher
//! changes no signal handler, and no mask except that of its thread.
//!
//! [`PidfdWatcher::driven`] makes a watcher without a thread, for a program that has a loop of
//! its own. It touches no mask at all. It costs one descriptor more from the moment on at which
//! a child is reaped while the watcher looks (rare).
//!
//! With the feature `sigchld`, `AutoWatcher` also takes `SIGCHLD`, for what pidfds cannot watch.
//!
//! # Examples
//!
//! ```
//! use std::process::Command;
//! use std::sync::mpsc;
//! use childwatch_pidfd::{PidWatcherExt, PidfdWatcher};
//!
//! let watcher = PidfdWatcher::new()?;
//! let (sender, receiver) = mpsc::channel();
//! let mut command = Command::new("sh");
//! let (mut child, _handle) = watcher
//!     .spawn_watched(command.args(["-c", "exit 3"]), move |exit| sender.send(exit).unwrap())?;
//! assert_eq!(receiver.recv()?.status().unwrap().code(), Some(3));
//!
//! child.wait()?; // reaping is left to the program
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [The guide](childwatch_core::guide) has more: which watcher to take, how to register and to wait.
//! `childwatch-sigchld` is for kernels and sandboxes without pidfds, and `childwatch-core` has the
//! trait alone.
//!
//! # Kernels
//!
//! Linux 5.4 or later (`pidfd_open` is 5.3, `waitid(P_PIDFD)` 5.4).
//! [`probe`] returns what this kernel and sandbox offer.
//!
//! | from | also |
//! |---|---|
//! | 6.9 | watchers that tell [when a process is reaped](PidfdWatcher::until_reaped); a pidfd of a thread (`PIDFD_THREAD`), which is refused |
//! | 6.13 | the pid of a pidfd also where `/proc` is not mounted, or is that of another pid namespace |
//! | 6.15 | the status of a process that the kernel or somebody else has reaped (`PIDFD_GET_INFO`) |
//! | 7.1 | children made with `CLONE_AUTOREAP`, with their status, though they never become zombies |
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
//! # When the status is known
//!
//! | the process | status |
//! |---|---|
//! | a child that has not been reaped | known |
//! | a child that the kernel reaps (`SIGCHLD` ignored, `SA_NOCLDWAIT`), or another part of the program | known from 6.15 on; before, the exit is reported at once without a status |
//! | another process | known from 6.15 on, if its parent has reaped it before the watcher looks; always known to a watcher that waits [until it is reaped](PidfdWatcher::until_reaped) |
//!
//! The [resource usage](Exit::resource_usage) is known only of a child that has not been reaped, and
//! only if the watcher was created [to ask for it](PidfdWatcher::with_resource_usage).
//!
//! # Pidfds in and out
//!
//! A pid that comes from a file or another process may have been reused. A pidfd means one process
//! for ever. [`register_pidfd`](PidWatcher::register_pidfd),
//! [`watch_pidfd`](PidWatcher::watch_pidfd) and
//! [`on_pidfd_exit`](PidWatcherExt::on_pidfd_exit) take a pidfd that the program has.
//! [`pidfd`](PidWatcher::pidfd) returns one of a registered process, for `setns`,
//! `process_madvise`, `pidfd_getfd` and others. The example `existing_process` shows this.
//!
//! [`send_signal`](PidWatcher::send_signal) sends a signal through the pidfd, so that it reaches the
//! registered process or none.
//!
//! # What your program must know
//!
//! The list of [`childwatch_core`](childwatch_core::guide::limits) holds for
//! every backend. These points hold for this one:
//!
//! - **Do not close descriptors that your program has not opened.** Some programs close
//!   all descriptors from 3 on, as daemons do at their start. If a watcher exists, this ends
//!   every watch, and no exit is reported any more. The numbers then go to other files,
//!   which the watcher does not know. When the watcher ends a watch, it closes the number of
//!   its pidfd, which may be a file of yours by then. If the number of its epoll instance
//!   goes to another epoll instance, the watcher's thread takes the events of that one. A
//!   wake does no harm: it fails, and the call that needed it returns
//!   [`Os`](WatchError::Os). If a program replaces a descriptor and restores it, as a shell
//!   does for a builtin with `3>file`, an exit meanwhile is reported without a status.
//!   *Way around:* close descriptors before the first watcher is
//!   made, or set close-on-exec on them (`close_range` with `CLOSE_RANGE_CLOEXEC`).
//! - **Do not open missing standard streams while another thread calls the watcher.** If the
//!   program has no file with the number 0, 1 or 2, a new descriptor of the watcher may get that number. The
//!   watcher makes another one and closes the first. If another thread opens a stream in these
//!   microseconds, by `dup2` to a fixed number as `daemon(3)` does, the watcher closes that stream.
//!   *Way around:* open the streams before the first watcher is made.
//! - **A container's first process that calls `reboot`** has the status 0 if it is reaped before the watcher
//!   looks (C6). So a watcher that waits until it is reaped always tells 0. *Way around:* let a
//!   watcher tell the exit, and reap then.
//! - **Do not use the watcher on a thread that has called `unshare(CLONE_FILES)`**, or
//!   `close_range` with `CLOSE_RANGE_UNSHARE`. A registration opens the pidfd in the table of
//!   that thread, and the watcher's thread looks for the number in its own. The exit may be
//!   reported without a status. When a registration ends there, it closes a number that may
//!   belong to another file. `try_wait` does not find an exit that the watcher has not
//!   reported yet. If the thread has inherited the pidfd of a former process, `try_wait` may
//!   return the exit of that process. *Way around:* use the watcher on another thread, or make it
//!   on that thread.
//! - **A forked copy keeps the descriptors.** These are the three of the watcher (of a driven one perhaps four), and one for each
//!   process that was watched at the fork. They stay open in the copy until it ends or executes a
//!   program. Dropping the watcher in the copy does not close them, because their numbers may
//!   belong to other files there. If a copy makes a watcher of its own and forks the next copy,
//!   and so on, the descriptors of all generations add up. *Way around:* drop the watcher before
//!   such a fork, or close the numbers in the copy.
//! - **CRIU.** CRIU saves a pidfd only if its process belongs to the saved tree, and
//!   older releases refuse every pidfd. *Way around:* drop the watcher before the
//!   checkpoint, or use `childwatch-sigchld`, which keeps no descriptor open.
//! - **A sandbox can hide the status.** If it refuses `waitid` or `PIDFD_GET_INFO`, exits
//!   are reported without a status where these calls would have told it. If it answers
//!   `ECHILD` for a child that has not been reaped, such an exit is reported two seconds
//!   late. *Way around:* allow both calls.
//! - **A sandbox can interrupt any call.** If it answers system calls by seccomp's notifications, a
//!   signal whose handler has no `SA_RESTART` may end any call with `EINTR`. Registering may
//!   then fail with [`Os`](WatchError::Os), and an exit may be reported without a status.
//!   *Way around:* set `SA_RESTART`, or block the signal on the threads that call the watcher or
//!   drive it.
//! - **A sandbox can kill the program.** A filter of system calls may kill a process for a call
//!   that it does not allow. *Way around:* allow the calls in this table, or refuse them with
//!   an error.
//!
//!   | when | calls |
//!   |---|---|
//!   | the watcher's thread waits and reports | `epoll_wait`, `waitid`, `ioctl`, `clock_gettime`, `futex`, `rt_sigprocmask`, `rt_sigpending`, `sched_yield`, `clock_nanosleep` |
//!   | a process is registered, looked at or unregistered | `pidfd_open`, `pidfd_send_signal`, `waitid`, `epoll_ctl`, `ppoll` (or `pselect6` at a limit of 0 open files), `close`, `futex` |
//!   | a pidfd is offered or asked for | also `fcntl`, and `ioctl`; if this `ioctl` is refused, `openat`, `read` and `close` of files in `/proc` |
//!   | a driven watcher, also | `poll` (or `ppoll`, or `pselect6` at a limit of 0 open files), `timerfd_create`, `timerfd_settime`; and `restart_syscall`, if the program is stopped and continued meanwhile |
//!   | the watcher is dropped | the same, and `getpid`, `kill` with signal 0, `sched_yield`, `clock_nanosleep` (rarely), `sigaltstack`, `munmap`, `madvise`, `exit` |
//!
//!   The [allocator](childwatch_core::guide::limits) makes calls of its own.
//! - **`select`.** Each watched process takes the lowest free number. A program that uses
//!   `select` cannot wait for files whose numbers are 1024 or more, so it can watch fewer
//!   than 1,000 processes beside its own files. *Way around:* use `poll` or epoll, or use
//!   `childwatch-sigchld`, which keeps no descriptor open.
//! - **A pidfd that ends its process.** From Linux 7.1 on, a child may be made so that the kernel
//!   kills it when the last duplicate of its pidfd is closed (`CLONE_PIDFD_AUTOKILL`). While it is
//!   registered by this pidfd, the watcher has a duplicate. So the child lives until the
//!   registration ends too. *Way around:* register such a child by its pid.
//! - **Two copies of the library in one process** (two versions, or one inside a plugin)
//!   work side by side. Each has its own thread and its own descriptors.

#![cfg_attr(docsrs, feature(doc_cfg))]

// Outside the macro: tools that follow the modules do not look into one.
mod armed;
#[cfg(feature = "sigchld")]
mod auto;
mod errno;
mod event_key;
mod fdinfo;
mod info;
#[cfg(childwatch_loom)]
#[cfg(test)]
mod models;
mod offered;
mod probe;
mod release;
mod source;
mod sync;
mod timer;
mod watcher;
mod zombie;

cfg_if::cfg_if! {
    if #[cfg(target_os = "linux")] {
        #[cfg(feature = "sigchld")]
        pub use auto::{AutoDriver, AutoWatcher, Backends};
        pub use probe::{Probe, probe};
        pub use source::{PidfdSource, PidfdWaiter};
        pub use watcher::PidfdWatcher;
    } else {
        compile_error!("childwatch-pidfd needs Linux: no other system has pidfds");
    }
}

pub use childwatch_core::{
    DrivenWatcher, Driver, Exit, ExitCallback, ExitSet, Exited, Exits, InvalidPid, NextExit, Pid,
    PidWatcher, PidWatcherExt, PidfdFault, ResourceUsage, Unregistered, WatchError, WatchGuard,
    WatchHandle, WatcherStats,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
