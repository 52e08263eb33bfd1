//! The conformance suite: one list of cases that every
//! [`PidWatcher`](childwatch_core::PidWatcher) passes.
//!
//! Each case proves one clause of the trait's contract, in a process of its own,
//! under a deadline. The suite needs no ptrace, no root and no privilege of a
//! container; where a case needs something that this machine or the backend does
//! not have, it is reported as unsupported with the reason, never left out.
//!
//! # Three fronts
//!
//! 1. `cargo test` in this workspace: every case × every backend, through rstest.
//! 2. A third party's backend: implement [`BackendUnderTest`], and write
//!
//!    ```no_run
//!    # use childwatch_ptrace_free_tests::backends::Pidfd as MyBackend;
//!    childwatch_ptrace_free_tests::conformance_main!(MyBackend);
//!    ```
//!
//!    as a test target with `harness = false`: it takes the arguments of any other
//!    Rust test.
//! 3. `cargo xtask conformance`: the matrix of clauses and backends, with repeats
//!    and reports.
//!
//! # How a case is made
//!
//! A case is a function of a [`Stage`], from which it takes watchers and children.
//! Children wait at a gate until the case lets them go, and are known to be dead
//! by `waitid` with `WNOWAIT`; callbacks are [probes](probe::Probe); every wait is
//! on a condition, with a generous [deadline]. A case fails by a panic.
//! After each the cell checks that no child, thread or fd is left.
//!
//! # Hosts
//!
//! A [`Host`] is a small program that lives as a real one does. In each host, every backend
//! is held to its contract, and the program's own job to the result that it has without a
//! watcher. A new kind of program is one more file.

pub mod actor;
mod alone;
pub mod backend;
pub mod backends;
pub mod broken;
pub mod case;
#[allow(clippy::unwrap_used, reason = "a case fails by a panic")]
mod cases;
pub mod cell;
pub mod child;
pub mod crowd;
pub mod deadline;
pub mod driven;
pub mod faults;
mod footprint;
pub mod front;
pub mod host;
#[allow(clippy::unwrap_used, reason = "a host fails by a panic")]
mod hosts;
mod interposed;
mod interpreter;
mod judged;
mod locked;
pub mod looped;
pub mod namespace;
pub mod odd;
pub mod probe;
pub mod program;
mod refusal;
#[cfg(test)]
mod refused_questions;
mod sandbox;
mod sleeper;
pub mod soak;
mod stage;
pub mod storm;
mod sys;

pub use backend::{BackendUnderTest, Need};
pub use case::{CASES, Case, Clause};
pub use cell::{Cell, Outcome, Verdict};
pub use host::{HOSTS, Host};
pub use interpreter::Interpreter;
pub use sandbox::Sandbox;
pub use stage::Stage;
pub use sys::block_sigchld;
