//! Prints the public interface of a crate, one item a line, from the JSON that rustdoc writes.
//!
//! This is a program of its own, because its dependencies would slow down every other chore:
//! see `cargo xtask api`. It exits with [`UNREADABLE`] if the JSON has a format that it does
//! not know. The format is rustdoc's own, and changes with the compiler.
//!
//! Two kinds of implementations are left out. Blanket implementations are the same for every
//! type. Those of auto traits depend on the compiler's release, and tests of each crate hold
//! the ones that matter (`auto_traits`).

#![forbid(unsafe_code)]

use std::env;
use std::process::ExitCode;

use anyhow::Context;
use public_api::{Builder, Error};

/// The code with which this program exits if it cannot read the format of the JSON.
const UNREADABLE: u8 = 3;

fn main() -> anyhow::Result<ExitCode> {
    let json = env::args_os().nth(1).context("which file?")?;
    let built = Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build();
    match built {
        Ok(api) => print!("{api}"),
        Err(Error::SerdeJsonError(error)) => {
            eprintln!("{error}");
            return Ok(ExitCode::from(UNREADABLE));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}
