//! Tells a program, once and reliably, that a process it watches has exited,
//! without ever reaping it.
//!
//! This crate has the trait that users depend on, [`PidWatcher`] with its
//! contract, and the engine that backends share, [`ThreadedWatcher`]. It knows no
//! backend. A program takes one of those too:
//!
//! - `childwatch-pidfd`, the primary one, for Linux 5.4 and later;
//! - [`SimulatedWatcher`], here, for tests of code that supervises processes.
//!
//! # The parts
//!
//! | to | use |
//! |---|---|
//! | be told of an exit | [`PidWatcher`], and [`PidWatcherExt`] for closures, guards, futures and timeouts |
//! | ask whether a process has exited | [`PidWatcher::try_wait`] |
//! | start a child and watch it | [`PidWatcherExt::spawn_watchable`], [`PidWatcherExt::fork_watchable`] |
//! | test supervising code without processes | [`SimulatedWatcher`] and its [`SimulatedProcesses`] |
//! | write a backend | [`ExitSource`], which [`ThreadedWatcher`] makes into a [`PidWatcher`]; [`TokenTable`] and [`PidIndex`] for its tables |
//!
//! # What your program must know
//!
//! A watcher has a thread, and callbacks run on it. Some properties that look like the
//! process's belong to the thread. Backends add points of their own: see the
//! documentation of `childwatch-pidfd` and `childwatch-sigchld`.
//!
//! - **Never wait for an exit inside a callback.** A callback that blocks on
//!   [`PidWatcherExt::exited`] waits for the watcher's thread, and runs on it: it waits
//!   for ever. [`PidWatcherExt::wait_timeout`] waits in vain until its time is over, and
//!   then looks once.
//!   *Way around:* register a callback for the next exit, or hand the work to another
//!   thread.
//! - **A callback must not own its own watcher.** An `Arc` of the watcher inside a
//!   callback keeps the watcher alive until that callback has run. If the process never
//!   exits, neither the watcher nor its thread ends. *Way around:* give the callback a
//!   `Weak`.
//! - **`PR_SET_PDEATHSIG` follows the thread.** A child that asks for this signal gets it
//!   when the thread that started it ends. For a child started in a callback that is the
//!   watcher's thread, which ends when the watcher is dropped. *Way around:* start such
//!   children on a thread that lives as long as they may.
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
//! - **Signals that faults raise go to the watcher's thread.** It never blocks SIGSEGV,
//!   SIGBUS, SIGFPE, SIGILL, SIGTRAP and SIGSYS. If a program blocks such a signal on all of
//!   its threads and takes it by `sigwaitinfo` or `signalfd`, the watcher's thread gets one
//!   that somebody sends to the process. Its default action ends the program. *Way around:*
//!   install a handler that passes the signal on.
//! - **The watcher's thread answers no other signal.** Some programs signal each of their
//!   threads, for example to collect stacks, and wait for all answers. The watcher's thread
//!   blocks the signal outside callbacks. *Way around:* pass over threads that block the
//!   signal (`SigBlk` in `/proc/self/task/TID/status`), or use one of the six above.
//! - **Do not unload a plugin that has a watcher.** The watcher's thread runs the
//!   plugin's code. *Way around:* drop every watcher, outside of callbacks, before
//!   `dlclose`; or link the plugin with `-z nodelete`. A plugin that has had a watcher
//!   over `SIGCHLD` must never be unloaded, because the signal handler stays.
//! - **Libraries that fake the time** (libfaketime) do not reach the clocks of a watcher.
//!   They do reach the timeout of [`PidWatcherExt::wait_timeout`], which is std's.
//! - **ThreadSanitizer needs a standard library that is built with it** (`-Zbuild-std`).
//!   Otherwise the sanitizer does not see the locks, and reports races that are none. A
//!   forked copy that starts threads also needs `TSAN_OPTIONS=die_after_fork=0`.

mod callback;
mod cancellations;
mod canceller;
mod chunked;
pub mod clock;
mod dispatch;
mod error;
mod exit;
mod exited;
mod ext;
mod fallback;
mod guard;
#[cfg(childwatch_loom)]
#[doc(hidden)]
pub mod interleavings;
#[cfg(childwatch_loom)]
#[cfg(test)]
mod models;
mod origin;
mod pauses;
mod pid;
mod queue;
mod quiet_thread;
mod refused_child;
mod registry;
mod remains;
mod siginfo;
mod signal_mask;
mod simulated;
mod source;
mod spawn;
mod sync;
mod table;
mod threaded;
mod watcher;

pub use callback::{ExitCallback, Unregistered, WatchHandle};
#[doc(hidden)]
pub use canceller::Canceller;
pub use error::WatchError;
pub use exit::Exit;
pub use exited::Exited;
pub use ext::PidWatcherExt;
pub use fallback::Fallback;
pub use guard::WatchGuard;
pub use pid::{InvalidPid, Pid};
pub use siginfo::exit_status;
pub use simulated::{SimulatedProcesses, SimulatedWatcher};
pub use source::{ExitSource, Report, Token};
pub use table::{PidIndex, TokenTable};
pub use threaded::ThreadedWatcher;
pub use watcher::PidWatcher;
