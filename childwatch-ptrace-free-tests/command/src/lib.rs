//! The command line of the conformance suite: matrices of clauses and backends, repeats,
//! sandboxes, and reports in five formats. `cargo xtask conformance` is this command for
//! childwatch's own backends, and a crate with a backend of its own has it in one line.
//!
//! # For a backend of your own
//!
//! Take this package as a dev-dependency beside `childwatch-ptrace-free-tests`, and write an
//! example:
//!
//! ```no_run
//! use childwatch_command::command_main;
//! # use childwatch_core::{PidWatcher, SimulatedProcesses, SimulatedWatcher, WatchError};
//! # use childwatch_ptrace_free_tests::{BackendUnderTest, Feature};
//! # struct MyBackend;
//! # impl BackendUnderTest for MyBackend {
//! #     fn name(&self) -> &'static str { "mine" }
//! #     fn watcher(&self) -> Result<Box<dyn PidWatcher>, WatchError> {
//! #         Ok(Box::new(SimulatedWatcher::new(&SimulatedProcesses::new())?))
//! #     }
//! #     fn offers(&self, _: Feature) -> Result<(), String> { Ok(()) }
//! # }
//!
//! command_main!(MyBackend);
//! ```
//!
//! ```sh
//! cargo run --example conformance -- --help
//! cargo run --example conformance -- --case zombie --repeat 20 --format html > report.html
//! cargo run --example conformance -- --host all --sandbox no-info
//! ```
//!
//! One case can run by hand, in the process itself and with a backtrace. The arguments are the
//! backend, the whole name of the case, and the longest time of each wait in milliseconds:
//!
//! ```sh
//! RUST_BACKTRACE=1 cargo run --example conformance -- \
//!     --childwatch-cell mine a_zombie_is_registered 30000
//! ```

#![forbid(unsafe_code)]

mod args;
mod busy;
mod exceptions;
mod format;
mod html;
mod json;
mod junit;
mod list;

mod markdown;
mod matrix;
mod program;
mod run;
mod select;
mod skips;
mod tally;
mod text;

// What `cargo xtask` uses too. It is no promise.
#[doc(hidden)]
pub mod finding;
#[doc(hidden)]
pub mod kernel;
#[doc(hidden)]
pub mod names;
#[doc(hidden)]
pub mod numbers;
#[doc(hidden)]
pub mod order;
#[doc(hidden)]
pub mod parallelism;
#[doc(hidden)]
pub mod progress;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod seconds;

pub use args::Args;
pub use program::{code, main};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
