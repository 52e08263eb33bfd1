//! `cargo xtask unsafe`: where the workspace's unsafe code is, how much, and what for.
//!
//! The table stands in ARCHITECTURE.md, and is made from the sources alone: the counts
//! from their tokens, what it is for from the reason with which each file expects the
//! lint `unsafe_code`. CI compares the two.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::workspace;
use page::Page;
use source::Source;

mod page;
mod source;
mod tokens;

/// Compare the table of unsafe code in ARCHITECTURE.md with the sources.
///
/// Exits with 1 when they differ.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write the table anew instead
    #[arg(long)]
    write: bool,
}

pub(crate) fn main(args: &Args) -> anyhow::Result<ExitCode> {
    if args.write {
        write()?;
    } else {
        check()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// That the table is true.
pub(crate) fn check() -> anyhow::Result<()> {
    let page = Page::read(&architecture())?;
    let table = table(&sources()?);
    let differences = differences(page.table(), &table);
    if !differences.is_empty() {
        bail!(
            "ARCHITECTURE.md's table of unsafe code is not true:\n{}\n\
             `cargo xtask unsafe --write` writes it anew",
            differences.join("\n")
        );
    }
    Ok(())
}

fn write() -> anyhow::Result<()> {
    let mut page = Page::read(&architecture())?;
    page.replace_table(&table(&sources()?))
}

fn architecture() -> PathBuf {
    workspace::root().join("ARCHITECTURE.md")
}

/// Every file with unsafe code, in the order of their paths.
fn sources() -> anyhow::Result<Vec<Source>> {
    let root = workspace::root();
    let mut paths = Vec::new();
    rust_files(root, &mut paths).with_context(|| format!("{} can't be listed", root.display()))?;
    paths.sort();
    let mut sources = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path)?;
        let name = path.strip_prefix(root).unwrap_or(&path).display();
        sources.extend(Source::read(name.to_string(), &text)?);
    }
    Ok(sources)
}

/// All of them below a directory, but for what cargo and git keep there.
fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        // Cargo marks a target directory, whatever its name, as a cache.
        if kind.is_dir() && !is_hidden && !path.join("CACHEDIR.TAG").exists() {
            rust_files(&path, found)?;
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

fn table(sources: &[Source]) -> String {
    let mut table = "| file | unsafe | what for |\n|---|---|---|\n".to_owned();
    for source in sources {
        table += &format!("{source}\n");
    }
    table
}

/// The lines that are in one of two tables alone, as a diff shows them.
fn differences(before: &str, now: &str) -> Vec<String> {
    let only = |sign, of: &str, other: &str| -> Vec<String> {
        of.lines()
            .filter(|line| !other.lines().any(|known| known == *line))
            .map(|line| format!("{sign} {line}"))
            .collect()
    };
    let mut differences = only('-', before, now);
    differences.extend(only('+', now, before));
    if differences.is_empty() && before != now {
        differences.push("the same lines in another order".to_owned());
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_from_both_sides() {
        assert_eq!(
            differences("| a | 1 |\n| b | 1 |\n", "| a | 1 |\n| b | 2 |\n"),
            ["- | b | 1 |", "+ | b | 2 |"]
        );
        assert_eq!(differences("same\n", "same\n"), [""; 0]);
        assert_eq!(
            differences("a\nb\n", "b\na\n"),
            ["the same lines in another order"]
        );
    }
}
