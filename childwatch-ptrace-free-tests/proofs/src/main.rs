//! The conformance suite as one program: every case against every backend of
//! this workspace, with the arguments of any Rust test.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use childwatch_proofs::front::take_part;
use childwatch_proofs::{backends, broken, odd};
use childwatch_ptrace_free_tests::front;

fn main() -> ExitCode {
    take_part(&[backends::ALL, &broken::backends(), &odd::backends()].concat());
    front::main(backends::ALL)
}
