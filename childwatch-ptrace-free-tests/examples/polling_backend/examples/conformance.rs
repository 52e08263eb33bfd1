//! The conformance suite as a command: `cargo run --example conformance -- --help`.

#![forbid(unsafe_code)]

use childwatch_command::command_main;
use subject::Polling;

#[path = "../tests/subject.rs"]
mod subject;

command_main!(Polling);
