//! The conformance suite as a test target: `cargo test`.

#![forbid(unsafe_code)]

use childwatch_ptrace_free_tests::conformance_main;
use subject::Polling;

mod subject;

conformance_main!(Polling);
