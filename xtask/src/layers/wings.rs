//! The two wings of the conformance suite.
//!
//! Somebody who tests a backend of their own takes the package `childwatch-ptrace-free-tests`.
//! They compile neither the backends of this workspace nor the proofs that the suite itself is
//! right, which are in the package `childwatch-proofs`.

use anyhow::Context;
use xshell::{Shell, cmd};

use crate::workspace;

const SUITE: &str = "childwatch-ptrace-free-tests";

/// The only package of this workspace that the suite depends on.
const CORE: &str = "childwatch-core";

/// What the suite depends on, and why.
const DEPENDENCIES: [(&str, &str); 7] = [
    (CORE, "the contract, and the simulated watcher"),
    ("libc", "system calls that rustix does not have"),
    ("libtest-mimic", "the front for a test target of one's own"),
    ("rustix", "system calls"),
    ("seccompiler", "sandboxes, and calls that are refused"),
    (
        "signal-hook-registry",
        "programs beside which a watcher must work: a handler of signal-hook",
    ),
    (
        "tokio",
        "programs beside which a watcher must work: two hosts wait for their own children by it",
    ),
];

/// What is wrong with the dependencies of the suite, a line each.
pub(super) fn faults() -> anyhow::Result<Vec<String>> {
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
    Ok(faults_of(&tree))
}

/// Reads lines such as `1libc v0.2.170`: how deep a dependency is, and its package.
fn faults_of(tree: &str) -> Vec<String> {
    let packages = tree.lines().filter_map(|line| {
        let (package, _) = line.split_once(' ')?;
        let name = package.trim_start_matches(|letter: char| letter.is_ascii_digit());
        Some((package.strip_suffix(name)?, name))
    });
    let mut faults = Vec::new();
    for (depth, name) in packages {
        let is_named = DEPENDENCIES.iter().any(|(known, _)| *known == name);
        if depth == "1" && !is_named {
            faults.push(format!(
                "{SUITE} depends on {name}: is it for everybody who tests a backend of their \
                 own? If so, xtask/src/layers/wings.rs must say what for"
            ));
        } else if name.starts_with("childwatch") && ![SUITE, CORE].contains(&name) {
            faults.push(format!(
                "{SUITE} depends on {name}, which is for childwatch-proofs"
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suite_compiles_no_backend_and_nothing_unnamed() {
        let allowed = "0childwatch-ptrace-free-tests v0.1.0 (/w)\n1childwatch-core v0.1.0 (/w)\n\
                       2hashbrown v0.17.0\n1tokio v1.0.0\n";
        assert_eq!(faults_of(allowed), [""; 0]);
        let backend = format!("{allowed}2childwatch-pidfd v0.1.0 (/w)\n1tokio v1.0.0 (*)");
        assert_eq!(
            faults_of(&backend),
            [
                "childwatch-ptrace-free-tests depends on childwatch-pidfd, which is for \
              childwatch-proofs"
            ]
        );
        let unnamed = format!("{allowed}1fastrand v2.0.0\n");
        assert!(
            faults_of(&unnamed)[0].starts_with("childwatch-ptrace-free-tests depends on fastrand:")
        );
    }

    #[test]
    fn the_suites_dependencies_are_in_order() {
        assert_eq!(faults().unwrap(), [""; 0]);
    }
}
