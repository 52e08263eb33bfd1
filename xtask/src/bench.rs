//! `cargo xtask bench`: runs the bench. The bench is a package of its own, because its
//! dependencies would slow down every other chore.

use std::process::ExitCode;

use xshell::{Shell, cmd};

use crate::workspace;

/// Compare childwatch with other ways to learn of an exit
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// The arguments of the bench: see `cargo xtask bench --help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn main(Args { args }: &Args) -> anyhow::Result<ExitCode> {
    let shell = Shell::new()?;
    shell.change_dir(workspace::root());
    // A quick run measures nothing, so it needs no optimised build. Its tests have built the rest.
    let profile = if args.iter().any(|arg| arg == "--quick") {
        "dev"
    } else {
        "release"
    };
    cmd!(
        shell,
        "cargo run --profile {profile} --package xtask-bench -- {args...}"
    )
    .quiet()
    .run()?;
    Ok(ExitCode::SUCCESS)
}
