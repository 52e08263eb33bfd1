//! `cargo xtask conformance`: the suite's command for the backends of this workspace, and on
//! other kernels too.

use std::path::PathBuf;
use std::process::ExitCode;

use childwatch_proofs::backends;
use childwatch_ptrace_free_tests::kit::deadline::DEADLINE;

use guest::architecture::{Architecture, Libc};

pub(crate) mod guest;

/// Run the conformance suite: cases and hosts × backends, each in a process of its own.
///
/// Exits with 1 after any failure or timeout, and after a skip that the case does not
/// declare.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    suite: childwatch_command::Args,

    /// Run on this kernel instead: a vmlinuz in QEMU, or user-mode Linux.
    #[arg(long, value_name = "IMAGE")]
    kernel: Option<PathBuf>,

    /// The architecture of the kernel.
    #[arg(long, value_enum, default_value_t = Architecture::X86_64, requires = "kernel")]
    arch: Architecture,

    /// The C library of the suite on that kernel.
    #[arg(long, value_enum, default_value_t = Libc::Gnu, requires = "kernel")]
    libc: Libc,
}

pub(crate) fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let suite = &args.suite;
    match &args.kernel {
        None => suite.run(backends::ALL, DEADLINE),
        Some(kernel) => suite.run_by(backends::ALL, guest::DEADLINE, |order| {
            guest::examine(kernel, args.arch, args.libc, order)
        }),
    }
}
