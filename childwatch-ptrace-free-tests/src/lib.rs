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

mod backend;
pub mod backends;
pub mod broken;
mod case;
#[allow(clippy::unwrap_used, reason = "a case fails by a panic")]
mod cases;
pub mod faults;
pub mod front;
#[allow(clippy::unwrap_used, reason = "a host fails by a panic")]
mod hosts;
pub mod kit;
pub mod machine;
pub mod odd;
pub mod program;
#[cfg(test)]
mod refused_questions;
pub mod soak;

pub use backend::facility::Facility;
pub use backend::feature::Feature;
pub use backend::need::Need;
pub use backend::stage::Stage;
pub use backend::under_test::BackendUnderTest;
pub use case::Case;
pub use case::clause::Clause;
pub use cases::CASES;
pub use front::cell::Cell;
pub use hosts::exception::{Exception, Moment};
pub use hosts::host::Host;
pub use hosts::table::table_of_hosts;
pub use hosts::{CASES_OF_HOSTS, HOSTS};
pub use kit::judged::{Outcome, Verdict};
pub use machine::interpreter::Interpreter;
pub use machine::sandbox::Sandbox;
