//! The Rust files of the workspace, as tokens.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use proc_macro2::TokenStream;

use crate::workspace;

/// Reads every Rust file, in the order of their paths in the workspace.
pub(crate) fn all() -> anyhow::Result<Vec<(String, TokenStream)>> {
    let root = workspace::root();
    let mut paths = Vec::new();
    list(root, &mut paths).with_context(|| format!("cannot list {}", root.display()))?;
    paths.sort();
    let read = |path: PathBuf| {
        let name = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string();
        let tokens = tokens(&name, &fs::read_to_string(&path)?)?;
        Ok((name, tokens))
    };
    paths.into_iter().map(read).collect()
}

/// Lists the Rust files below a directory, without those that cargo and git keep there.
fn list(directory: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        // Cargo marks a target directory, whatever its name, as a cache.
        if kind.is_dir() && !is_hidden && !path.join("CACHEDIR.TAG").exists() {
            list(&path, found)?;
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

fn tokens(name: &str, text: &str) -> anyhow::Result<TokenStream> {
    text.parse()
        .map_err(|error| anyhow!("{name} is not Rust code: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_rust_is_named() {
        let error = tokens("src/a.rs", "fn f() {").unwrap_err().to_string();
        assert!(error.starts_with("src/a.rs is not Rust code: "), "{error}");
    }

    #[test]
    fn this_file_is_among_the_workspaces() {
        let all = all().unwrap();
        assert!(
            all.iter()
                .any(|(name, _)| name == "xtask/src/rust_files.rs")
        );
        assert!(all.iter().all(|(name, _)| !name.starts_with("target/")));
    }
}
