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
//! # Compatibility
//!
//! - The crates of childwatch have one version, and follow semantic versioning. Before 1.0 a breaking
//!   change raises the second number (0.1 to 0.2).
//! - The oldest supported Rust is 1.85. A release that needs a newer Rust raises the second number
//!   too, and never only the third. The changelog names the new one. At any time it is no newer than
//!   the Rust of the current Debian stable release.
//! - The lower bounds of the dependencies are true: CI compiles the crates with the oldest version that each
//!   bound allows.
//! - The oldest kernel of a backend is part of its interface. A release that needs a newer one raises
//!   the second number.
//! - Public items that the documentation does not show may change in every release.
//!
//! # What your program must know
//!
//! - **Never wait for an exit inside a callback.** The callback that would end the wait cannot run
//!   before this one returns.
//! - **A callback must not own its own watcher.** Give it a `Weak`.
//! - A watcher has a thread, and some properties that look like the process's belong to a thread.
//!   [The limits](guide::limits) list what a program may notice, with the ways around. The
//!   backends' pages have points of their own.

#![cfg_attr(docsrs, feature(doc_cfg))]

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
pub use watchers::fallback::{DrivenFallback, FallbackDriver, FallbackWatcher};
pub use watchers::simulated::{SimulatedProcesses, SimulatedWatcher};

pub mod source {
    //! What the author of a backend needs. Users of a watcher need this module only to name the type
    //! of a driven watcher over simulated processes or two sources.
    //!
    //! A backend is made in three steps:
    //!
    //! 1. Implement [`ExitSource`] after its laws S1 to S9, S13 and S14. The source arms and disarms processes
    //!    under a [`Token`], and returns a [`Report`] for each exit. It never sees a callback.
    //!    `laws_main!` of `childwatch-ptrace-free-tests` tests the laws of the source by itself.
    //! 2. Start a [`ThreadedWatcher`] over the source. The watcher implements all semantics of
    //!    callbacks. If the source is also a [`PollableSource`], a
    //!    [`DrivenWatcher`](crate::DrivenWatcher) works over it without a thread.
    //! 3. Wrap the watcher in a public type of your own, with [`delegate_pid_watcher!`].
    //!
    //! The conformance suite, `conformance_main!` of the same package, then holds the backend to the
    //! contract of [`PidWatcher`](crate::PidWatcher).
    //!
    //! | for | use |
    //! |---|---|
    //! | a value for each armed process | [`TokenTable`] |
    //! | the status in a `siginfo_t` | [`exit_status_from_siginfo`] |
    //! | the state and the resource usage of a child, without reaping it | [`peek`] |
    //! | sending a signal by its number | [`send_signal_to_pidfd`], [`send_signal_to_pid`] |
    //! | the signals that a handler or a thread of yours must not block | [`SYNCHRONOUS_SIGNALS`] |
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
    pub use crate::engine::signal_mask::SYNCHRONOUS_SIGNALS;
    pub use crate::engine::threaded::ThreadedWatcher;
    pub use crate::platform::clock;
    pub use crate::platform::keep_clear::keep_clear;
    pub use crate::platform::readable::await_readable;
    pub use crate::watchers::fallback::PollableFallbackSource;
    pub use crate::watchers::simulated::PollableSimulatedSource;
    pub use descriptors::{descriptor_refused, make_descriptor};
    pub use exit_source::ExitSource;
    pub use peek::{Detail, Ended, Peeked, peek};
    pub use pollable::PollableSource;
    pub use report::Report;
    pub use siginfo::exit_status_from_siginfo;
    pub use signals::{send_signal_to_pid, send_signal_to_pidfd};
    pub use token::Token;
    pub use token_table::TokenTable;
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
