//! `cargo xtask unsafe`: lists the unsafe code of the workspace: where it is, how much, and
//! why.
//!
//! The table is in docs/unsafe.md, and is made from the sources alone. The counts come from the
//! tokens of each file. The purpose is the reason with which the file expects the
//! lint `unsafe_code`. CI compares the table with the sources.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

use crate::differences::differences;
use crate::{rust_files, workspace};
use page::Page;
use source::Source;

mod page;
mod source;
mod tokens;

/// Compare the table of unsafe code in docs/unsafe.md with the sources.
///
/// Exits with 1 if they differ.
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

/// Checks that the table is true.
pub(crate) fn check() -> anyhow::Result<()> {
    let page = Page::read(&document())?;
    let table = table(&sources()?);
    let differences = differences(page.table(), &table);
    if !differences.is_empty() {
        bail!(
            "the table in docs/unsafe.md is not true:\n{}\n\
             `cargo xtask unsafe --write` writes it anew",
            differences.join("\n")
        );
    }
    Ok(())
}

fn write() -> anyhow::Result<()> {
    let mut page = Page::read(&document())?;
    page.replace_table(&table(&sources()?))
}

fn document() -> PathBuf {
    workspace::root().join("docs").join("unsafe.md")
}

/// Returns every file with unsafe code, in the order of their paths.
fn sources() -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for (name, tokens) in rust_files::all()? {
        sources.extend(Source::read(name, tokens)?);
    }
    Ok(sources)
}

fn table(sources: &[Source]) -> String {
    let mut table = "| file | unsafe | what for |\n|---|---|---|\n".to_owned();
    for source in sources {
        table += &format!("{source}\n");
    }
    table
}
