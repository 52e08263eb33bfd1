//! Tells a program that a process has exited: once, reliably, and without reaping the process.
//!
//! This crate has the trait that users depend on, [`PidWatcher`] with its contract, and the
//! engine that all backends share. It has no backend for real processes. A program takes its
//! watcher from one of these:
//!
//! | watcher | for |
//! |---|---|
//! | `PidfdWatcher` of `childwatch-pidfd`, the primary backend | any process, on Linux 5.4 and later |
//! | `SigchldWatcher` of `childwatch-sigchld` | children of the program, without pidfds and file descriptors |
//! | [`FallbackWatcher`], over the sources of both crates | pidfds for as many processes as possible, `SIGCHLD` for the rest |
//! | `AutoWatcher` of `childwatch-pidfd`, with its feature `sigchld` | programs that do not want to choose |
//! | [`SimulatedWatcher`] | tests of code that supervises processes |
//!
//! [The guide](guide) says which watcher to take, how to register and to wait, and in which order.
//!
//! # The parts
//!
//! | to | use |
//! |---|---|
//! | learn of an exit | [`PidWatcher`], and [`PidWatcherExt`] for closures, guards, futures and timeouts |
//! | learn what a child has used | [`Exit::resource_usage`] |
//! | ask whether a process has exited | [`PidWatcher::try_wait`] |
//! | start a child and watch it | [`PidWatcherExt::spawn_watched`], [`PidWatcherExt::spawn_exited`] |
//! | start a child that other code watches | [`PidWatcherExt::spawn_watchable`], [`PidWatcherExt::fork_watchable`] |
//! | wait for several processes at once | [`ExitSet`], [`PidWatcherExt::wait_first`], [`PidWatcherExt::wait_all`] |
//! | send a signal to a watched process | [`PidWatcher::send_signal`] |
//! | watch the process of a pidfd, or get the pidfd of a process | [`PidWatcher::register_pidfd`], [`PidWatcherExt::on_pidfd_exit`], [`PidWatcher::pidfd`] |
//! | see what a watcher does | [`PidWatcher::stats`], and the [events](#events) |
//! | test supervising code without processes | [`SimulatedWatcher`] and its [`SimulatedProcesses`] |
//! | run callbacks in a loop of the program's, without a thread | [`DrivenWatcher`] and its [`Driver`] |
//! | write a backend | the module [`source`] |
//!
//! # Events
//!
//! With the feature `tracing`, watchers emit events for the program's subscriber of the crate
//! `tracing`. Without the feature they contain nothing of it. The backends pass the feature on.
//!
//! | level | target | event | fields |
//! |---|---|---|---|
//! | debug | `childwatch` | registered | `pid`; `held`: `true` by `register_pid` or `register_pidfd`, `false` by `watch` or `watch_pidfd` |
//! | debug | `childwatch` | refused: one of these calls has returned an error | `pid`, unless a pidfd named the process; `error` |
//! | debug | `childwatch` | spilled: the secondary of a [`FallbackWatcher`] watches the process | `pid`; `error` of the primary |
//! | debug | `childwatch` | exited: the watcher has learned of an exit | `pid`; `status`, if it is known |
//! | debug | `childwatch` | callback ran | `pid`, `duration_us` |
//! | warn | `childwatch` | callback panicked | `pid`; `duration_us`, if a subscriber wants the level debug |
//! | debug | `childwatch` | watcher ended: it or its driver was dropped | |
//! | error | `childwatch` | watcher ended: its source has panicked | |
//! | info | `childwatch::sigchld` | handler of SIGCHLD installed | `calls_another`: the program had a handler before |
//! | trace | `childwatch::sigchld` | swept: a sweep over all watched children has ended | `looks`, `found`, `processor_time_us` |
//!
//! The time of a callback is measured only if a subscriber wants the level debug. If another thread
//! registers a process, its exit may have its event before the registration has.
//!
//! A subscriber runs on the thread of the event: that of the call, or the driving thread.
//!
//! - It may call the watcher, and drop it. No lock of the library is held. It must itself prevent
//!   that an event leads to the same event for ever.
//! - While it blocks, the call or the watcher waits for it, as for a callback.
//! - If it panics, the panic hook reports that, and the panic goes no further. The event is lost, and
//!   nothing else.
//! - On the watcher's own thread it may find all signals blocked. A process that it starts there
//!   inherits that.
//! - A forked copy emits nothing. If the subscriber itself forks, the copy must not return from it.
//!
//! # What your program must know
//!
//! A watcher has a thread, and callbacks run on it. A [`DrivenWatcher`] has none: its callbacks run
//! on the thread of the program that drives, and have the properties of that thread. Some properties
//! that look like the process's belong to a thread. Backends add points of their own: see the
//! documentation of `childwatch-pidfd` and `childwatch-sigchld`.
//!
//! - **Never wait for an exit inside a callback.** A callback that blocks on
//!   [`PidWatcherExt::exited`] waits for another callback, which cannot run before this
//!   one returns: it waits for ever. [`PidWatcherExt::wait_timeout`] waits until its time is over,
//!   and then looks once. The same holds for an [`ExitSet`].
//!   *Way around:* register a callback for the next exit, or hand the work to another
//!   thread.
//! - **Dropping a watcher waits for the callback that is running**, and for no other. A callback
//!   that never returns keeps the drop waiting for ever.
//!   [`PidWatcher`](PidWatcher#what-waits-for-what) has a table of what waits for what.
//! - **A callback must not own its own watcher.** An `Arc` of the watcher inside a
//!   callback keeps the watcher alive until that callback has run. If the process never
//!   exits, neither the watcher nor its thread ends. *Way around:* give the callback a
//!   `Weak`.
//! - **`PR_SET_PDEATHSIG` follows the thread.** A child that asks for this signal gets it
//!   when the thread that started the child ends. For a child started in a callback that is
//!   the watcher's thread, which ends when the watcher is dropped. *Way around:* start such
//!   children on a thread that lives as long as they may.
//! - **A callback traces and submits as the watcher's thread.** If a callback begins to trace a
//!   process (`ptrace`), no other thread can control the tracee. When the watcher is dropped, the
//!   tracee is detached, or killed if `PTRACE_O_EXITKILL` is set. If a callback submits a request
//!   to an io_uring, and the watcher is dropped before the request is complete, the kernel cancels
//!   the request (`ECANCELED`). *Way around:* trace and submit on a thread that lives as long as
//!   that takes.
//! - **Children of callbacks inherit from the watcher's thread.** These are its
//!   namespaces, seccomp filters, Landlock rules, `no_new_privs`, capabilities, scheduling
//!   class, niceness and CPU affinity. The thread has them from the thread that made the
//!   watcher, as of that time; a later `setns`, `unshare`, `landlock_restrict_self` or
//!   `sched_setaffinity` elsewhere does not reach it. *Way around:* make the
//!   watcher on a thread that has what the children should have, or start children on a
//!   thread of your own.
//! - **No new user namespace with a thread running.** The kernel refuses
//!   `unshare(CLONE_NEWUSER)`, and `setns` into a user, mount or time namespace, in a process
//!   with more than one thread (`EINVAL`, `EUSERS`). A watcher is a second thread. *Way
//!   around:* change the namespace before the first watcher is made, after the last one was
//!   dropped, or in the child between fork and exec.
//! - **No watcher after `unshare(CLONE_NEWPID)`.** The kernel refuses new threads then, so
//!   making a watcher fails with [`Unsupported`](WatchError::Unsupported). *Way around:* make
//!   the watcher first. It then watches the children in the new namespace too.
//! - **Synchronous signals go to the watcher's thread.** This thread never blocks SIGSEGV,
//!   SIGBUS, SIGFPE, SIGILL, SIGTRAP and SIGSYS. A program may block such a signal on all of
//!   its threads, and receive it by `sigwaitinfo` or `signalfd`. If another process sends the
//!   signal, the watcher's thread gets it, and the default action ends the program. *Way around:*
//!   install a handler that passes the signal on.
//! - **During a callback the program's handlers may run on the watcher's thread.** That thread
//!   then has the signal mask of the thread that made the watcher. So a signal that another
//!   thread blocks for a while may be handled meanwhile. For example, the C library's `system`
//!   may lose its status to a handler of `SIGCHLD` that reaps all children. *Way around:*
//!   block such signals on the thread that makes the watcher.
//! - **The watcher's thread answers no other signal.** Some programs signal each of their
//!   threads, for example to collect stacks, and wait for all answers. The watcher's thread
//!   blocks the signal outside callbacks. *Way around:* pass over threads that block the
//!   signal (`SigBlk` in `/proc/self/task/TID/status`), or use one of the six above.
//! - **A callback must return, panic or end the process.** If it ends its thread instead, by
//!   `pthread_exit`, the C library ends the process. Before Python
//!   3.14 a thread that asks for the interpreter's lock while the interpreter ends is ended so.
//!   *Way around:* drop the watcher before that, or only send a message in the callback.
//! - **A watcher takes its part of the process's limits.** It is one thread more for
//!   `RLIMIT_NPROC` and for a control group's `pids.max`. With glibc the thread takes 66 MiB of
//!   address space: 2 MiB for its stack, and 64 MiB that the allocator reserves for each
//!   thread. They count for `RLIMIT_AS`. After `mlockall(MCL_FUTURE)` they count for
//!   `RLIMIT_MEMLOCK` too, and 2 MiB of them are in memory. glibc keeps them for later
//!   threads when the watcher is dropped. [`FallbackWatcher`] has two threads. *Way around:* set
//!   `MALLOC_ARENA_MAX=1`; then 2 MiB are left.
//! - **The watcher's thread allocates and frees memory.** If an allocation fails there, the
//!   program is aborted, as elsewhere in Rust. The thread may also hold a lock of the allocator
//!   when the program forks. The allocators of glibc and musl are prepared for that. With an
//!   allocator that is not, the copy may wait for ever when it allocates. *Way around:* choose an
//!   allocator that handles forks (`pthread_atfork`), or let copies only execute a program.
//! - **No watcher on a thread of the class `SCHED_DEADLINE`.** The kernel lets such a thread
//!   start no other, so making a watcher fails with
//!   [`ResourceLimit`](WatchError::ResourceLimit). *Way around:* make the watcher on another
//!   thread, or set `SCHED_FLAG_RESET_ON_FORK`.
//! - **Do not unload a plugin that has a watcher.** The watcher's thread runs the
//!   plugin's code. *Way around:* drop every watcher, outside of callbacks, before
//!   `dlclose`; or link the plugin with `-z nodelete`. A plugin that has had a watcher
//!   over `SIGCHLD` must never be unloaded, because the signal handler stays.
//! - **Libraries that fake the time** (libfaketime) do not reach the clocks of a watcher.
//!   They do reach the timeout of [`PidWatcherExt::wait_timeout`], which is std's.
//! - **ThreadSanitizer needs a standard library that is built with it** (`-Zbuild-std`).
//!   Otherwise the sanitizer does not see the locks, and reports races that are none. A
//!   forked copy that starts threads also needs `TSAN_OPTIONS=die_after_fork=0`.

mod contract;
mod engine;
// The code of its pages is run by `childwatch-proofs`, which has every backend.
#[cfg(not(doctest))]
pub mod guide;
#[cfg(childwatch_loom)]
mod models;
mod platform;
mod wait;
mod watchers;

pub use contract::callback::{ExitCallback, Unregistered, WatchHandle};
pub use contract::error::{PidfdFault, WatchError};
pub use contract::exit::Exit;
pub use contract::pid::{InvalidPid, Pid};
pub use contract::resource_usage::ResourceUsage;
pub use contract::stats::WatcherStats;
pub use contract::watcher::PidWatcher;
pub use engine::driven::DrivenWatcher;
pub use engine::driver::Driver;
#[cfg(childwatch_loom)]
#[doc(hidden)]
pub use models::interleavings;
pub use wait::exit_set::{ExitSet, Exits, NextExit};
pub use wait::exited::Exited;
pub use wait::ext::PidWatcherExt;
pub use wait::guard::WatchGuard;
pub use watchers::fallback::FallbackWatcher;
pub use watchers::simulated::{SimulatedProcesses, SimulatedWatcher};

pub mod source {
    //! What the author of a backend needs. Users of a watcher need this module only to name the type
    //! of a driven watcher over simulated processes or two sources.
    //!
    //! A backend is made in three steps:
    //!
    //! 1. Implement [`ExitSource`] after its laws S1 to S9, S13 and S14. The source arms and disarms processes
    //!    under a [`Token`], and returns a [`Report`] for each exit. It never sees a callback.
    //! 2. Start a [`ThreadedWatcher`] over the source. The watcher implements all semantics of
    //!    callbacks. If the source is also a [`PollableSource`], a
    //!    [`DrivenWatcher`](crate::DrivenWatcher) works over it without a thread.
    //! 3. Wrap the watcher in a public type of your own, with [`delegate_pid_watcher!`].
    //!
    //! The conformance suite, `childwatch-ptrace-free-tests`, then holds the backend to the
    //! contract of [`PidWatcher`](crate::PidWatcher).
    //!
    //! | for | use |
    //! |---|---|
    //! | a value for each armed process | [`TokenTable`] |
    //! | the status in a `siginfo_t` | [`exit_status_from_siginfo`] |
    //! | the state and the resource usage of a child, without reaping it | [`peek`] |
    //! | sending a signal by its number | [`send_signal_to_pidfd`], [`send_signal_to_pid`] |
    //! | a descriptor that is no standard stream | [`make_descriptor`], [`keep_clear`] |
    //! | a wait for a descriptor, at every limit of open files | [`await_readable`] |
    //! | the time, processor time, and the start times of processes | [`clock`] |

    pub(crate) mod descriptors;
    pub(crate) mod exit_source;
    pub(crate) mod growth;
    pub(crate) mod peek;
    pub(crate) mod pollable;
    pub(crate) mod report;
    pub(crate) mod siginfo;
    pub(crate) mod signals;
    pub(crate) mod token;
    pub(crate) mod token_table;

    #[doc(hidden)]
    pub use crate::contract::canceller::Canceller;
    #[doc(inline)]
    pub use crate::contract::delegate::delegate_pid_watcher;
    #[cfg(feature = "tracing")]
    #[doc(hidden)]
    pub use crate::engine::events::quietly;
    pub use crate::engine::threaded::ThreadedWatcher;
    pub use crate::platform::clock;
    pub use crate::platform::readable::await_readable;
    pub use crate::watchers::fallback::PollableFallbackSource;
    pub use crate::watchers::simulated::PollableSimulatedSource;
    pub use descriptors::{descriptor_refused, keep_clear, make_descriptor};
    pub use exit_source::ExitSource;
    pub use peek::{Detail, Ended, Peeked, peek};
    pub use pollable::PollableSource;
    pub use report::Report;
    pub use siginfo::exit_status_from_siginfo;
    pub use signals::{send_signal_to_pid, send_signal_to_pidfd};
    pub use token::Token;
    pub use token_table::TokenTable;
}
