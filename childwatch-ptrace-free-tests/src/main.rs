//! The conformance suite as one program: every case against every backend of
//! this workspace, with the arguments of any Rust test.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use childwatch_ptrace_free_tests::{backends, broken, front, odd};

fn main() -> ExitCode {
    front::take_part(&[broken::backends(), odd::backends()].concat());
    front::main(backends::ALL)
}
