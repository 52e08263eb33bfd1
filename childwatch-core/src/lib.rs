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

mod callback;
mod cancellations;
mod canceller;
mod chunked;
mod dispatch;
mod error;
mod exit;
mod exited;
mod ext;
mod fallback;
mod guard;
#[cfg(loom)]
#[doc(hidden)]
pub mod interleavings;
#[cfg(loom)]
#[cfg(test)]
mod models;
mod origin;
mod pauses;
mod pid;
mod queue;
mod quiet_thread;
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
