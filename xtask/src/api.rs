//! `cargo xtask api`: compares the public interface of the published crates with docs/api.
//!
//! Each crate has a file there, with one public item a line. So a change of the interface
//! shows in the diff of the commit that makes it.
//!
//! The lines come from rustdoc's JSON, which only a nightly compiler writes. Another nightly
//! may write another format, or name the standard library's items differently. So each file
//! names the compiler with which it was written. If another compiler finds a difference,
//! nothing is concluded.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use xshell::{Shell, cmd};

use crate::differences::differences;
use crate::nightly::Nightly;
use crate::workspace;

/// The crates whose public interface is a promise.
pub(crate) const CRATES: &[&str] = &["childwatch-core", "childwatch-pidfd", "childwatch-sigchld"];

/// What every file begins with. The name of the compiler follows.
const HEAD: &str = "# Written by `cargo xtask api --write` with ";

/// The code with which `xtask-api` exits if it does not know the format of the JSON.
const UNREADABLE: i32 = 3;

/// Compare the public interface of the published crates with docs/api.
///
/// Exits with 1 if they differ, or if they cannot be compared here.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write the files of docs/api anew instead
    #[arg(long)]
    write: bool,
}

pub(crate) fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let shell = Shell::new()?;
    shell.change_dir(workspace::root());
    if args.write {
        write(&shell)?;
    } else if let Err(reason) = check(&shell)? {
        bail!("{reason}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks that the files are true. Returns the reason if they cannot be compared here.
pub(crate) fn check(shell: &Shell) -> anyhow::Result<Result<(), String>> {
    let interfaces = match Interfaces::of_crates(shell)? {
        Ok(interfaces) => interfaces,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut differing = String::new();
    let mut writers = Vec::new();
    for (name, text) in &interfaces.texts {
        let path = file(name);
        let before = fs::read_to_string(&path).unwrap_or_default();
        let (head, before) = before.split_once('\n').unwrap_or_default();
        let differences = differences(before, text);
        if !differences.is_empty() {
            differing += &format!("\ndocs/api/{name}.txt:\n{}\n", differences.join("\n"));
            writers.push(head.strip_prefix(HEAD).unwrap_or_default().to_owned());
        }
    }
    let compiler = &interfaces.compiler;
    if differing.is_empty() {
        return Ok(Ok(()));
    }
    if let Some(writer) = writers
        .iter()
        .find(|writer| !writer.is_empty() && *writer != compiler)
    {
        println!("{differing}");
        return Ok(Err(format!(
            "docs/api was written with {writer}, and the difference above is found with \
             {compiler}: it may be the compiler's (`cargo xtask api --write`, and look at it)"
        )));
    }
    bail!(
        "the public interface is not that of docs/api:\n{differing}\n\
         If the change is intended, `cargo xtask api --write` writes docs/api anew"
    );
}

fn write(shell: &Shell) -> anyhow::Result<()> {
    let Interfaces { compiler, texts } =
        Interfaces::of_crates(shell)?.map_err(|reason| anyhow!(reason))?;
    for (name, text) in texts {
        let path = file(name);
        let text = format!("{HEAD}{compiler}\n{text}");
        fs::write(&path, text).with_context(|| format!("{}", path.display()))?;
    }
    Ok(())
}

fn file(name: &str) -> PathBuf {
    workspace::root()
        .join("docs/api")
        .join(format!("{name}.txt"))
}

/// The public interfaces of the crates, as this machine's nightly finds them.
struct Interfaces {
    compiler: String,
    /// By the name of the crate.
    texts: Vec<(&'static str, String)>,
}

impl Interfaces {
    /// Returns the reason if this machine has no nightly, or one whose JSON cannot be read.
    fn of_crates(shell: &Shell) -> anyhow::Result<Result<Self, String>> {
        let nightly = match Nightly::find(shell) {
            Ok(nightly) => nightly,
            Err(reason) => return Ok(Err(reason)),
        };
        let compiler = nightly.version(shell)?;
        let target = workspace::target().join("api");
        let packages = CRATES.iter().flat_map(|name| ["--package", name]);
        nightly
            .cargo(shell)
            .args(["doc", "--quiet", "--no-deps", "--lib", "--all-features"])
            .args(packages)
            .arg("--target-dir")
            .arg(&target)
            .env("RUSTDOCFLAGS", "-Zunstable-options --output-format=json")
            .run()?;
        let mut texts = Vec::new();
        for name in CRATES {
            let json = target.join(format!("doc/{}.json", name.replace('-', "_")));
            let listed = cmd!(shell, "cargo run --quiet --package xtask-api -- {json}")
                .quiet()
                .ignore_status()
                .output()?;
            if listed.status.code() == Some(UNREADABLE) {
                return Ok(Err(format!(
                    "xtask-api cannot read the JSON of rustdoc from {compiler}: \
                     CHILDWATCH_NIGHTLY names another toolchain"
                )));
            }
            if !listed.status.success() {
                bail!("{name}: {}", String::from_utf8_lossy(&listed.stderr));
            }
            texts.push((*name, String::from_utf8(listed.stdout)?));
        }
        Ok(Ok(Interfaces { compiler, texts }))
    }
}
