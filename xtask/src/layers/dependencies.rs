//! The dependencies of the conformance suite.
//!
//! Somebody who tests a backend of their own takes the package `childwatch-ptrace-free-tests`.
//! They compile neither the backends of this workspace nor the proofs that the suite itself is
//! right, which are in the package `childwatch-proofs`.

use anyhow::Context;
use xshell::{Shell, cmd};

use super::checked::Checked;
use crate::workspace;

const SUITE: &str = "childwatch-ptrace-free-tests";

/// The only package of this workspace that the suite depends on.
const CORE: &str = "childwatch-core";

/// What the suite depends on, and why.
const DEPENDENCIES: [(&str, &str); 6] = [
    (CORE, "the contract, and the simulated watcher"),
    ("libc", "system calls that rustix does not have"),
    ("libtest-mimic", "the front for a test target of one's own"),
    ("rustix", "system calls"),
    (
        "signal-hook-registry",
        "programs beside which a watcher must work: a handler of signal-hook",
    ),
    (
        "tokio",
        "programs beside which a watcher must work: two hosts wait for their own children by it",
    ),
];

/// Checks what the suite depends on.
pub(super) fn check() -> anyhow::Result<Checked> {
    let shell = Shell::new()?;
    shell.change_dir(workspace::root());
    let tree = cmd!(
        shell,
        "cargo tree --package {SUITE} --edges normal,build --prefix depth"
    )
    .args(["--format", "{p}"])
    .quiet()
    .read()
    .context("the suite's dependencies")?;
    let faults = faults_of(&tree);
    let mut lines = Vec::new();
    if faults.is_empty() {
        let names = DEPENDENCIES.map(|(name, _)| name).join(", ");
        lines.push(format!("{SUITE}: depends on {names}"));
    }
    Ok(Checked { lines, faults })
}

/// Says what is wrong, a line each. Reads lines such as `1libc v0.2.170`: how deep a dependency
/// is, and its package.
fn faults_of(tree: &str) -> Vec<String> {
    let packages = tree.lines().filter_map(|line| {
        let (package, _) = line.split_once(' ')?;
        let name = package.trim_start_matches(|letter: char| letter.is_ascii_digit());
        Some((package.strip_suffix(name)?, name))
    });
    let packages: Vec<_> = packages.collect();
    let unnamed = packages.iter().filter_map(|(depth, name)| {
        let is_named = DEPENDENCIES.iter().any(|(known, _)| known == name);
        if *depth == "1" && !is_named {
            Some(format!(
                "{SUITE} depends on {name}: is it for everybody who tests a backend of their \
                 own? If so, xtask/src/layers/dependencies.rs must say what for"
            ))
        } else if name.starts_with("childwatch") && ![SUITE, CORE].contains(name) {
            Some(format!(
                "{SUITE} depends on {name}, which is for childwatch-proofs"
            ))
        } else {
            None
        }
    });
    let gone = DEPENDENCIES.iter().filter(|(known, _)| {
        let mut direct = packages.iter().filter(|(depth, _)| *depth == "1");
        direct.all(|(_, name)| name != known)
    });
    let gone = gone.map(|(name, _)| {
        format!("xtask/src/layers/dependencies.rs names {name}, on which {SUITE} does not depend")
    });
    unnamed.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(more: &[&str]) -> Vec<String> {
        let named = DEPENDENCIES.iter().map(|(name, _)| format!("1{name}"));
        let more = more.iter().map(|line| (*line).to_owned());
        let lines = named.chain(more).map(|line| format!("{line} v1.0.0\n"));
        faults_of(&lines.collect::<String>())
    }

    #[test]
    fn the_suite_compiles_no_backend_and_nothing_unnamed() {
        assert_eq!(
            faults(&["0childwatch-ptrace-free-tests", "2hashbrown"]),
            [""; 0]
        );
        assert_eq!(
            faults(&["2childwatch-pidfd"]),
            [
                "childwatch-ptrace-free-tests depends on childwatch-pidfd, which is for \
              childwatch-proofs"
            ]
        );
        let unnamed = faults(&["1fastrand"]);
        assert!(unnamed[0].starts_with("childwatch-ptrace-free-tests depends on fastrand:"));
    }

    #[test]
    fn every_dependency_that_is_named_is_one() {
        let faults = faults_of("1childwatch-core v0.1.0 (/w)\n2tokio v1.0.0\n");
        assert_eq!(faults.len(), DEPENDENCIES.len() - 1, "{faults:?}");
    }
}
