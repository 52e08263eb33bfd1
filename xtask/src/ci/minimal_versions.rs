//! The lower bounds of the libraries' dependencies: they compile with the oldest version that each
//! bound allows.
//!
//! Only a nightly cargo chooses the oldest versions. The compiler is the usual one. What only the
//! tests depend on is left out, because no user gets it.

use std::fs;

use anyhow::ensure;
use xshell::{Shell, cmd};

use super::done::Done;
use super::unpacked::Unpacked;
use crate::api;
use crate::nightly::Nightly;
use crate::workspace;

pub(super) fn run(shell: &Shell) -> anyhow::Result<Done> {
    let nightly = match Nightly::find(shell) {
        Ok(nightly) => nightly,
        Err(reason) => return Ok(Done::Skipped(reason)),
    };
    let is_library = |name: &str| api::CRATES.contains(&name);
    let libraries = match Unpacked::make(shell, "minimal-versions", is_library)? {
        Ok(libraries) => libraries,
        Err(reason) => return Ok(Done::Skipped(reason)),
    };
    for library in &libraries.packages {
        let path = library.directory.join("Cargo.toml");
        let text = fs::read_to_string(&path)?;
        fs::write(&path, without_dev_dependencies(&text))?;
    }
    let manifest = libraries.manifest();
    // These two need the registry: the oldest versions are seldom in cargo's cache.
    for command in ["generate-lockfile", "fetch"] {
        let output = nightly
            .cargo(shell)
            .args([command, "-Zdirect-minimal-versions", "--manifest-path"])
            .arg(&manifest)
            .ignore_status()
            .output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() && is_unreachable(&errors) {
            return Ok(Done::Skipped(format!(
                "the registry cannot be reached for the oldest versions:\n{errors}"
            )));
        }
        ensure!(output.status.success(), "{errors}");
    }
    let target = workspace::target().join("minimal-versions/target");
    cmd!(
        shell,
        "cargo check --workspace --all-features --locked
         --manifest-path {manifest} --target-dir {target}"
    )
    .run()?;
    Ok(Done::Passed)
}

/// Returns `true` if cargo's errors are about the network, and not about a bound.
fn is_unreachable(errors: &str) -> bool {
    let words = ["download of ", "failed to download", "offline mode"];
    words.iter().any(|words| errors.contains(words))
}

/// Removes the dev-dependencies, and the targets that need them, from a manifest as cargo writes
/// it: each is a table of its own.
fn without_dev_dependencies(manifest: &str) -> String {
    let mut kept = String::new();
    let mut is_kept = true;
    for line in manifest.lines() {
        if line.starts_with('[') {
            let table = line.trim_start_matches('[');
            is_kept = !["dev-dependencies", "example]", "test]"]
                .iter()
                .any(|removed| table.starts_with(removed));
        }
        if is_kept {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_of_bounds_is_not_taken_for_a_missing_network() {
        let conflict = "error: failed to select a version for `libc`.";
        assert!(!is_unreachable(conflict));
        let unreachable =
            "failed to load source for dependency `cfg-if`\n\ndownload of config.json failed";
        assert!(is_unreachable(unreachable));
    }

    #[test]
    fn only_what_users_get_is_kept() {
        let manifest = "[package]\nname = \"x\"\n\n[[test]]\nname = \"t\"\n\n[dependencies.slab]\n\
                        version = \"1\"\n\n[dev-dependencies.clap]\nversion = \"4\"\n";
        assert_eq!(
            without_dev_dependencies(manifest),
            "[package]\nname = \"x\"\n\n[dependencies.slab]\nversion = \"1\"\n\n"
        );
    }
}
