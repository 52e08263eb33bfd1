//! The whole program: `main` for backends of one's own.

use std::process::ExitCode;

use childwatch_ptrace_free_tests::BackendUnderTest;
use childwatch_ptrace_free_tests::front::{self, closed_pipe};
use childwatch_ptrace_free_tests::kit::deadline::DEADLINE;
use clap::Parser;

use crate::args::Args;

/// Run the conformance suite: cases and hosts × backends, each in a process of its own.
///
/// Exits with 1 after any failure or timeout, and after a skip that the case does not
/// declare.
#[derive(Parser)]
struct Program {
    #[command(flatten)]
    args: Args,
}

/// The command for `backends`, as the whole `main` of a program: see [`command_main!`].
///
/// [`command_main!`]: crate::command_main
#[must_use]
pub fn main(backends: &'static [&'static dyn BackendUnderTest]) -> ExitCode {
    front::take_part(backends);
    closed_pipe::end_quietly();
    let Program { args } = Program::parse();
    code(args.run(backends, DEADLINE))
}

/// Returns the exit code of a program with this result, and shows an error. If the
/// standard output is a closed pipe, no error is shown.
#[doc(hidden)]
pub fn code(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        if closed_pipe::is_cause_of(error.as_ref()) {
            return closed_pipe::CODE.into();
        }
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// The `main` of a program that is the command for backends of your own: values of types that
/// implement [`BackendUnderTest`].
#[macro_export]
macro_rules! command_main {
    ($($backend:expr),+ $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::main(&[$(&$backend),+])
        }
    };
}
