//! `cargo xtask bench`: runs the bench. The bench is a package of its own, because its
//! dependencies would slow down every other chore.

use std::env;
use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};

use crate::workspace;

/// The bench has the same file, so both know the same options.
#[allow(
    dead_code,
    reason = "the bench reads the options; here most are only checked"
)]
mod options {
    include!("../bench/src/options.rs");
}

pub(crate) use options::Args;

use options::Mode;

/// Passes the words of the command line on, which have been read as `args` here.
pub(crate) fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let options = match &args.mode {
        Some(Mode::Scale(options)) => options,
        None => &args.options,
    };
    // A quick run measures nothing, so it needs no optimised build. Its tests have built the rest.
    let profile = if options.quick { "dev" } else { "release" };
    let bench = ["--profile", profile, "--package", "xtask-bench"];
    let built = cargo("build", &bench).status().context("cargo")?;
    ensure!(built.success(), "the bench cannot be built");
    // Quietly, because the bench shows its own errors.
    let status = cargo("run", &bench)
        .args(["--quiet", "--"])
        // Before them stand this program and `bench`.
        .args(env::args_os().skip(2))
        .status()
        .context("cargo")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

fn cargo(chore: &str, arguments: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.arg(chore).args(arguments);
    cargo.current_dir(workspace::root());
    cargo
}
