//! The directory of the workspace, and the directory of its builds.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

pub(crate) fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// Returns the target directory that the user has chosen, or cargo's own.
pub(crate) fn target() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Returns the names of the packages that may be published, in the order of the workspace's manifest.
pub(crate) fn published() -> anyhow::Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Manifest {
        package: Package,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        publish: Option<bool>,
    }
    let mut published = Vec::new();
    for member in members()? {
        let path = root().join(member).join("Cargo.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        let Manifest { package } =
            toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
        if package.publish != Some(false) {
            published.push(package.name);
        }
    }
    Ok(published)
}

/// Returns the directories of the workspace's packages, as its manifest names them.
pub(crate) fn members() -> anyhow::Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Manifest {
        workspace: Workspace,
    }
    #[derive(Deserialize)]
    struct Workspace {
        members: Vec<String>,
    }
    let path = root().join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    let manifest: Manifest = toml::from_str(&text)?;
    Ok(manifest.workspace.members)
}
