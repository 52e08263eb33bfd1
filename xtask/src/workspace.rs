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

/// A package that is for users of the registry.
pub(crate) struct Published {
    pub(crate) name: String,
    /// The package's directory.
    pub(crate) directory: PathBuf,
}

/// Returns the packages that may be published, in the order of the workspace's manifest.
pub(crate) fn published() -> anyhow::Result<Vec<Published>> {
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
        let directory = root().join(member);
        let path = directory.join("Cargo.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        let Manifest { package } =
            toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
        if package.publish != Some(false) {
            let name = package.name;
            published.push(Published { name, directory });
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
