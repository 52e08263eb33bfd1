//! cargo-semver-checks: compares the public interface of the libraries with that of the last release.
//!
//! The last release is the newest tag `vX.Y.Z`. Before the first one there is nothing to compare
//! with. Then docs/api alone shows what changes (`cargo xtask api`).

use xshell::{Shell, cmd};

use super::done::Done;
use crate::api;
use crate::quietly::succeeds;

pub(super) fn run(shell: &Shell) -> anyhow::Result<Done> {
    let tags = cmd!(shell, "git tag --list v* --sort=-version:refname")
        .quiet()
        .read()?;
    let Some(tag) = tags.lines().find(|tag| is_release(tag)) else {
        return Ok(Done::Skipped(
            "nothing is published yet: no tag `vX.Y.Z` is here (a shallow clone has none either)"
                .to_owned(),
        ));
    };
    if !succeeds(cmd!(shell, "cargo semver-checks --version")) {
        return Ok(Done::Skipped(
            "no cargo-semver-checks here: `cargo install --locked cargo-semver-checks`".to_owned(),
        ));
    }
    let packages = api::CRATES.iter().flat_map(|name| ["--package", name]);
    cmd!(shell, "cargo semver-checks --baseline-rev {tag}")
        .args(packages)
        .run()?;
    Ok(Done::Passed)
}

/// Returns `true` if the tag is `v` and a version that is no pre-release.
fn is_release(tag: &str) -> bool {
    let numbers = tag.strip_prefix('v').unwrap_or_default().split('.');
    let numbers: Vec<_> = numbers.map(str::parse::<u64>).collect();
    numbers.len() == 3 && numbers.iter().all(Result::is_ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_a_version_with_a_v() {
        assert!(is_release("v0.1.0") && is_release("v12.34.56"));
        for tag in ["v0.2.0-rc.1", "v1", "0.1.0", "vendor", ""] {
            assert!(!is_release(tag), "{tag}");
        }
    }
}
