//! `cargo xtask conformance`: the suite's command for the backends of this workspace, and on
//! other kernels too.

use std::path::PathBuf;
use std::process::ExitCode;

use childwatch_proofs::backends;
use childwatch_ptrace_free_tests::kit::deadline::DEADLINE;

pub(crate) mod guest;

/// Run the conformance suite: cases and hosts × backends, each in a process of its own.
///
/// Exits with 1 after any failure or timeout, and after a skip that the case does not
/// declare.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    suite: childwatch_command::Args,

    /// Run on this kernel instead: a bzImage (vmlinuz) in QEMU, or user-mode Linux.
    #[arg(long, value_name = "IMAGE")]
    kernel: Option<PathBuf>,
}

pub(crate) fn main(Args { suite, kernel }: &Args) -> anyhow::Result<ExitCode> {
    match kernel {
        None => suite.run(backends::ALL, DEADLINE),
        Some(kernel) => suite.run_by(backends::ALL, guest::DEADLINE, |order| {
            guest::examine(kernel, order)
        }),
    }
}
