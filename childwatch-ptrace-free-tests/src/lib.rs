//! The conformance suite: one list of cases that every
//! [`PidWatcher`](childwatch_core::PidWatcher) passes.
//!
//! Each case proves one clause of the trait's contract, in a process of its own,
//! under a deadline. The suite needs no ptrace, no root and no privilege of a
//! container; where a case needs something that this machine or the backend does
//! not have, it is reported as unsupported with the reason, never left out.
//!
//! # A source of your own
//!
//! A backend begins with an [`ExitSource`](childwatch_core::source::ExitSource). The module
//! [`laws`](mod@laws) tests its laws, without an engine and without a watcher:
//! [`laws_main!`](crate::laws_main) in a test target. When they hold, go on with the cases.
//!
//! # A backend of your own
//!
//! Take this package as a dev-dependency. In a test target with `harness = false`, implement
//! [`BackendUnderTest`] and name your type in one line:
//!
//! ```no_run
//! use childwatch_core::{PidWatcher, WatchError};
//! use childwatch_ptrace_free_tests::{BackendUnderTest, Feature, conformance_main};
//! # mod my_crate {
//! #     use childwatch_core::{SimulatedProcesses, SimulatedWatcher, WatchError};
//! #     pub fn my_watcher() -> Result<SimulatedWatcher, WatchError> {
//! #         SimulatedWatcher::new(&SimulatedProcesses::new())
//! #     }
//! # }
//!
//! struct MyBackend;
//!
//! impl BackendUnderTest for MyBackend {
//!     fn name(&self) -> &'static str {
//!         "mine"
//!     }
//!
//!     fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
//!         Ok(Box::new(my_crate::my_watcher()?))
//!     }
//!
//!     fn offers(&self, feature: Feature) -> Result<(), String> {
//!         match feature {
//!             Feature::SilentExits | Feature::NoSignalHandler => Ok(()),
//!             Feature::NonChildren => Err("it watches children only".to_owned()),
//!             _ => Err("nobody has tried it".to_owned()),
//!         }
//!     }
//! }
//!
//! conformance_main!(MyBackend);
//! ```
//!
//! It takes the options of any other Rust test, and one filter. Each [`Feature`] that the backend does
//! not offer makes some cases unsupported, with the reason that you give. Begin with a list of
//! the features that you are sure of, and `_ => Err("nobody has tried it".to_owned())` for the rest:
//! then each failure is one of the backend's, and not of a wrong claim. What a case needs of the
//! machine, a [`Facility`], the suite finds out by itself.
//!
//! The workspace of this package has two fronts more, for its own backends: one through rstest
//! in `cargo test`, and `cargo xtask conformance` with a matrix of clauses and backends,
//! repeats and reports. Those backends and the proofs that the suite is right (broken watchers,
//! faults on purpose, random programs) are in the package `childwatch-proofs` beside this one.
//! They are not compiled with this package.
//!
//! # How a case is made
//!
//! A case is a function of a [`Stage`], from which it takes watchers and children.
//! Children wait at a gate until the case lets them go, and are known to be dead
//! by `waitid` with `WNOWAIT`; callbacks are [probes](kit::probe::Probe); every
//! wait is on a condition, with a generous [deadline](kit::deadline). A case fails by a panic.
//! After each the cell checks that no child, thread or fd is left. What a case is made of is
//! public, in [`kit`] and [`machine`]: a case of your own can use it.
//!
//! # Hosts
//!
//! A [`Host`] is a small program that lives as a real one does. In each host, every backend
//! is held to its contract, and the program's own job to the result that it has without a
//! watcher. A new kind of program is one more file.

mod backend;
mod case;
#[allow(clippy::unwrap_used, reason = "a case fails by a panic")]
mod cases;
pub mod front;
#[allow(clippy::unwrap_used, reason = "a host fails by a panic")]
mod hosts;
pub mod kit;
#[allow(clippy::unwrap_used, reason = "a law fails by a panic")]
pub mod laws;
pub mod machine;

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
pub use laws::subject::SourceUnderTest;
pub use machine::interpreter::Interpreter;
pub use machine::sandbox::Sandbox;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
