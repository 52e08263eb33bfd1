//! `cargo xtask bench`: a package of its own, for what it is built with would be a
//! burden on every other chore.

use std::process::ExitCode;

use xshell::{Shell, cmd};

use crate::workspace;

/// Measure childwatch beside other ways of hearing of an exit.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// What the bench itself takes: see `cargo xtask bench --help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn main(Args { args }: &Args) -> anyhow::Result<ExitCode> {
    let shell = Shell::new()?;
    shell.change_dir(workspace::root());
    cmd!(
        shell,
        "cargo run --release --package xtask-bench -- {args...}"
    )
    .quiet()
    .run()?;
    Ok(ExitCode::SUCCESS)
}
