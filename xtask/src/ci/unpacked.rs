//! [`Unpacked`]: the published packages as a user gets them from the registry, in a workspace of
//! their own.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use xshell::{Shell, cmd};

use crate::quietly::succeeds;
use crate::workspace;

/// All published packages have the version of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The first cargo that packs packages which depend on each other and are not on the registry.
const OLDEST_CARGO: u32 = 90;

/// A workspace whose members are the unpacked packages.
pub(super) struct Unpacked {
    pub(super) packages: Vec<Package>,
    workspace: PathBuf,
}

pub(super) struct Package {
    pub(super) name: String,
    /// The directory of the unpacked files.
    pub(super) directory: PathBuf,
    /// The bytes of the compressed package.
    pub(super) compressed: u64,
}

impl Unpacked {
    /// Packs and unpacks every published package, and makes a workspace of those that `is_wanted`
    /// accepts by their names. Replaces the directory `name` in the target directory.
    ///
    /// Returns the reason if this machine's cargo cannot pack them.
    pub(super) fn make(
        shell: &Shell,
        name: &str,
        is_wanted: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Result<Self, String>> {
        let version = cmd!(shell, "cargo --version").quiet().read()?;
        if minor(&version).is_some_and(|minor| minor < OLDEST_CARGO) {
            return Ok(Err(format!(
                "{version} cannot pack packages that depend on each other: 1.{OLDEST_CARGO} can"
            )));
        }
        let published = workspace::published()?;
        let names = published.iter().flat_map(|name| ["--package", name]);
        let names: Vec<_> = names.collect();
        let pack = || {
            cmd!(shell, "cargo package --quiet --no-verify --allow-dirty")
                .args(names.iter().copied())
        };
        // What a build has needed is in cargo's cache. Without the network, that is enough.
        if !succeeds(pack().arg("--offline")) {
            pack().run()?;
        }

        let workspace = workspace::target().join(name);
        if workspace.exists() {
            fs::remove_dir_all(&workspace)?;
        }
        fs::create_dir_all(&workspace)?;
        let mut packages = Vec::new();
        for package in published {
            if is_wanted(&package) {
                packages.push(Package::unpack(shell, package, &workspace)?);
            }
        }
        fs::write(workspace.join("Cargo.toml"), manifest(&packages))?;
        Ok(Ok(Unpacked {
            packages,
            workspace,
        }))
    }

    pub(super) fn manifest(&self) -> PathBuf {
        self.workspace.join("Cargo.toml")
    }

    pub(super) fn lock_file(&self) -> PathBuf {
        self.workspace.join("Cargo.lock")
    }
}

impl Package {
    fn unpack(shell: &Shell, name: String, workspace: &Path) -> anyhow::Result<Self> {
        let directory = workspace.join(format!("{name}-{VERSION}"));
        let file = workspace::target().join(format!("package/{name}-{VERSION}.crate"));
        cmd!(shell, "tar -xzf {file} -C {workspace}")
            .quiet()
            .run()?;
        ensure!(directory.is_dir(), "{} has other files", file.display());
        let compressed = fs::metadata(&file)
            .with_context(|| format!("{}", file.display()))?
            .len();
        Ok(Package {
            name,
            directory,
            compressed,
        })
    }

    /// Returns the paths of the files, relative to the package, and their sizes, sorted.
    pub(super) fn files(&self) -> anyhow::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        self.walk(&self.directory, &mut files)?;
        files.sort();
        Ok(files)
    }

    fn walk(&self, folder: &Path, files: &mut Vec<(String, u64)>) -> anyhow::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                self.walk(&path, files)?;
            } else {
                let relative = path.strip_prefix(&self.directory)?;
                files.push((
                    relative.to_string_lossy().into_owned(),
                    entry.metadata()?.len(),
                ));
            }
        }
        Ok(())
    }
}

/// Returns 95 for `cargo 1.95.0 (f2d3ce0bd 2026-03-21)`.
fn minor(version: &str) -> Option<u32> {
    let (_, rest) = version.split_once("1.")?;
    rest.split('.').next()?.parse().ok()
}

/// The packages take each other from beside them, because the registry may not have them. The
/// profile is the workspace's, so that what the packages depend on need not be built twice.
fn manifest(packages: &[Package]) -> String {
    let mut members = String::new();
    let mut patches = String::new();
    for Package { name, .. } in packages {
        let _ = writeln!(members, "    \"{name}-{VERSION}\",");
        let _ = writeln!(patches, "{name} = {{ path = \"{name}-{VERSION}\" }}");
    }
    format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\n{members}]\n\n\
         [profile.dev]\ndebug = \"line-tables-only\"\n\n[patch.crates-io]\n{patches}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_cargo_is_read() {
        assert_eq!(minor("cargo 1.95.0 (f2d3ce0bd 2026-03-21)"), Some(95));
        assert_eq!(
            minor("cargo 1.97.0-nightly (4d1f98451 2026-05-15)"),
            Some(97)
        );
        assert_eq!(minor("cargo"), None);
    }
}
