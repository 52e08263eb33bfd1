//! [`Phase`]: the tests that judge the mutants, and the arguments of cargo-mutants for them.

use std::env;
use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use super::outcomes::{self, Judged};
use crate::workspace;

/// The crates that are mutated: a fault in them is a fault of their users.
pub(super) const LIBRARY: [&str; 3] = ["childwatch-core", "childwatch-pidfd", "childwatch-sigchld"];

/// The tests that judge a mutant.
#[derive(Clone, Copy)]
pub(crate) enum Phase {
    /// The unit tests of its crate.
    UnitTests,
    /// The tests of the conveniences and of the sources' laws, and the conformance suite on
    /// every backend.
    Suite,
}

/// cargo-mutants' own exit codes: all caught, some missed, some timed out.
const JUDGED: [i32; 3] = [0, 2, 3];

impl Phase {
    /// Judges the mutants that `selection` picks with arguments of cargo-mutants.
    pub(crate) fn judge(
        self,
        selection: Vec<String>,
        jobs: usize,
        output: &Path,
    ) -> anyhow::Result<Vec<Judged>> {
        if let Phase::Suite = self {
            self.passes_unmutated()?;
        }
        let output = output.join(self.name());
        // Removes the results of an earlier run.
        if output.exists() {
            fs::remove_dir_all(&output).with_context(|| format!("clearing {output:?}"))?;
        }
        fs::create_dir_all(&output).with_context(|| format!("making {output:?}"))?;
        let status = cargo()
            .args(["mutants", "--colors=never", "--no-times", "--output"])
            .arg(&output)
            .arg(format!("--jobs={jobs}"))
            .args(self.arguments())
            .args(selection)
            // A build without debug information takes half the time.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            // Each copy of the tree has a target directory of its own.
            .env_remove("CARGO_TARGET_DIR")
            .status()
            .context("cargo mutants")?;
        ensure!(
            status.code().is_some_and(|code| JUDGED.contains(&code)),
            "cargo mutants has judged nothing ({status})"
        );
        outcomes::read(&output.join("mutants.out"))
    }

    fn arguments(self) -> Vec<String> {
        let arguments: &[&str] = match self {
            Phase::UnitTests => &["--cargo-arg=--lib", "--timeout=12", "--build-timeout=600"],
            // cargo-mutants' own baseline covers only the targets of the mutated packages.
            Phase::Suite => &["--baseline=skip", "--timeout=120", "--build-timeout=600"],
        };
        let arguments = arguments.iter().map(|&argument| argument.to_owned());
        let mut arguments: Vec<_> = arguments.collect();
        if let Phase::Suite = self {
            arguments.extend(LIBRARY.map(|package| format!("--package={package}")));
            arguments.extend(SUITE_PACKAGES.map(|package| format!("--test-package={package}")));
            arguments.extend(SUITE_TARGETS.map(|target| format!("--cargo-arg={target}")));
        }
        arguments
    }

    fn passes_unmutated(self) -> anyhow::Result<()> {
        let packages = SUITE_PACKAGES.map(|package| format!("--package={package}"));
        let status = cargo()
            .args(["test", "--quiet"])
            .args(packages)
            .args(SUITE_TARGETS)
            .stdout(Stdio::null())
            .status()
            .context("cargo test")?;
        ensure!(
            status.success(),
            "the suite fails without any mutation, so it can judge none"
        );
        Ok(())
    }

    fn name(self) -> &'static str {
        match self {
            Phase::UnitTests => "unit-tests",
            Phase::Suite => "suite",
        }
    }
}

const SUITE_PACKAGES: [&str; 2] = ["childwatch-core", "childwatch-proofs"];
const SUITE_TARGETS: [&str; 3] = ["--test=ext", "--test=laws", "--example=until_first_failure"];

/// Returns a selection of the mutants with these names.
pub(crate) fn named(names: &[String]) -> Vec<String> {
    let exactly = |name: &String| format!("--re=^{}$", literally(name));
    names.iter().map(exactly).collect()
}

/// Returns a regular expression for this text.
fn literally(text: &str) -> String {
    text.chars().fold(String::new(), |mut regex, letter| {
        if letter.is_ascii_alphanumeric() {
            regex.push(letter);
        } else {
            // Such an escape is never a metacharacter, whatever the letter.
            let _ = write!(regex, r"\x{{{:x}}}", u32::from(letter));
        }
        regex
    })
}

/// # Errors
///
/// If cargo-mutants is not installed, the error says how to install it.
pub(crate) fn is_tool_there() -> anyhow::Result<()> {
    let answer = cargo()
        .args(["mutants", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("cargo")?;
    if !answer.success() {
        bail!("there is no cargo-mutants here: `cargo install cargo-mutants --locked`");
    }
    Ok(())
}

fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(workspace::root());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_is_named_without_metacharacters() {
        assert_eq!(literally("a + b"), r"a\x{20}\x{2b}\x{20}b");
        assert_eq!(named(&["x".to_owned()]), ["--re=^x$"]);
    }
}
