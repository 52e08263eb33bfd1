//! The lower bounds of the libraries' dependencies: they compile with the oldest version that each
//! bound allows.
//!
//! Only a nightly cargo chooses the oldest versions. The compiler is the usual one. What only the
//! tests depend on is left out, because no user gets it.

use std::fs;

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
    nightly
        .cargo(shell)
        .args(["generate-lockfile", "--quiet", "-Zdirect-minimal-versions"])
        .arg("--manifest-path")
        .arg(&manifest)
        .run()?;
    let target = workspace::target().join("minimal-versions/target");
    cmd!(
        shell,
        "cargo check --workspace --all-features --locked
         --manifest-path {manifest} --target-dir {target}"
    )
    .run()?;
    Ok(Done::Passed)
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
    fn only_what_users_get_is_kept() {
        let manifest = "[package]\nname = \"x\"\n\n[[test]]\nname = \"t\"\n\n[dependencies.slab]\n\
                        version = \"1\"\n\n[dev-dependencies.clap]\nversion = \"4\"\n";
        assert_eq!(
            without_dev_dependencies(manifest),
            "[package]\nname = \"x\"\n\n[dependencies.slab]\nversion = \"1\"\n\n"
        );
    }
}
