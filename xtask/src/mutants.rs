//! `cargo xtask mutants`: finds faults in the library that no test notices.
//!
//! cargo-mutants makes the faults, one at a time, in a copy of the tree. Each mutant is
//! judged in two phases:
//!
//! 1. By the unit tests of its crate, which are fast.
//! 2. If the unit tests miss it, by the conformance suite on every backend, until its first
//!    failure.
//!
//! If a mutant survives both phases, `xtask/equivalent-mutants.toml` must explain it.
//! `.cargo/mutants.toml` lists the faults that are not made, each with its reason.

use childwatch_command::numbers::whole;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::ensure;

use crate::workspace;
use childwatch_command::parallelism::parallelism;
use childwatch_command::seconds::Seconds;
use explained::Explained;
use phase::{LIBRARY, Phase};
use tally::Tally;

mod explained;
mod outcomes;
mod phase;
mod tally;

/// Break the library on purpose, a line at a time, and see whether a test notices.
///
/// Exits with 1 if a mutant survives that is not explained.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only mutants of this crate. May be given more than once.
    #[arg(
        short, long = "package", value_name = "P",
        value_parser = LIBRARY, default_values = LIBRARY
    )]
    packages: Vec<String>,

    /// Only mutants of matching files, such as registry.rs. May be given more than once.
    #[arg(short, long = "file", value_name = "GLOB")]
    files: Vec<String>,

    /// Only mutants whose name matches. May be given more than once. [cargo mutants --list
    /// shows all]
    #[arg(long = "re", value_name = "REGEX")]
    names: Vec<String>,

    /// Judge this many mutants at a time, each in a copy of the tree
    #[arg(short, long, value_name = "N", default_value_t = parallelism().get(), value_parser = whole::<usize>(1..=10_000))]
    jobs: usize,
}

pub(crate) fn main(args: &Args) -> anyhow::Result<ExitCode> {
    phase::is_tool_there()?;
    let start = Instant::now();
    let explained = Explained::read()?;

    println!("=== the unit tests");
    let mut tally = Tally::new(Phase::UnitTests.judge(args.selection(), args.jobs, &output())?);
    ensure!(tally.all() > 0, "there is no such mutant");
    let missed = tally.missed_names();
    if !missed.is_empty() {
        println!(
            "\n=== the conformance suite, for the {} that lived",
            missed.len()
        );
        tally.take_in(Phase::Suite.judge(phase::named(&missed), args.jobs, &output())?);
    }

    let verdict = tally.verdict(&explained)?;
    println!("\n{verdict}\nin {}", Seconds(start.elapsed()));
    Ok(if verdict.unexplained.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Args {
    /// Returns the selection as arguments of cargo-mutants.
    fn selection(&self) -> Vec<String> {
        let packages = self.packages.iter().map(|name| format!("--package={name}"));
        let files = self.files.iter().map(|glob| format!("--file={glob}"));
        let names = self.names.iter().map(|regex| format!("--re={regex}"));
        packages.chain(files).chain(names).collect()
    }
}

/// The directory of cargo-mutants' logs.
fn output() -> PathBuf {
    workspace::target().join("mutants")
}
