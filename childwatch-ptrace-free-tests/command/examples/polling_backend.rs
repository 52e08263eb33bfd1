//! The command for the backend of the package `polling_backend`, which is outside of this
//! workspace: see childwatch-ptrace-free-tests/examples/polling_backend. Here its files are
//! compiled with the workspace, so that each `cargo test` proves that they work.

#![forbid(unsafe_code)]

use childwatch_command::command_main;

// The name by which the files know their own crate.
extern crate self as polling_backend;

pub use backend::{PollingSource, PollingWatcher};
use subject::Polling;

#[path = "../../examples/polling_backend/src/lib.rs"]
mod backend;
#[path = "../../examples/polling_backend/tests/subject.rs"]
mod subject;

command_main!(Polling);
