//! Other architectures and C libraries: the libraries compile for each.
//!
//! The suite itself runs on some of them: see docs/kernels.md.

use std::path::Path;

use xshell::{Shell, cmd};

use super::done::Done;
use crate::quietly::succeeds;

/// The targets besides that of most machines, and why each is in the list.
const TARGETS: &[(&str, &str)] = &[
    ("x86_64-unknown-linux-musl", "another C library"),
    (
        "i686-unknown-linux-gnu",
        "32 bits; a number of 64 bits is aligned to 4 bytes",
    ),
    (
        "i686-unknown-linux-musl",
        "32 bits, and times of 64 bits in the C library",
    ),
    (
        "aarch64-unknown-linux-gnu",
        "without the old system calls; pages of up to 64 KiB",
    ),
    ("aarch64-unknown-linux-musl", "the same with musl"),
    (
        "armv7-unknown-linux-gnueabihf",
        "32 bits; a number of 64 bits is aligned to 8 bytes",
    ),
    (
        "riscv64gc-unknown-linux-gnu",
        "without the old system calls",
    ),
    (
        "loongarch64-unknown-linux-gnu",
        "without the old system calls, `fstat` too; pages of 16 KiB",
    ),
    (
        "powerpc64le-unknown-linux-gnu",
        "other bits in the number of an ioctl; pages of 64 KiB",
    ),
    ("s390x-unknown-linux-gnu", "big endian"),
];

/// Checks the targets whose standard library is installed, and names the others.
pub(super) fn check(shell: &Shell) -> anyhow::Result<Done> {
    let (installed, missing): (Vec<_>, Vec<_>) = TARGETS
        .iter()
        .map(|(target, _reason)| *target)
        .partition(|target| is_installed(shell, target));
    for target in &missing {
        println!("{target} is skipped: `rustup target add {target}`");
    }
    if installed.is_empty() {
        return Ok(Done::Skipped("no other target is installed".to_owned()));
    }
    let targets = installed.iter().map(|target| format!("--target={target}"));
    cmd!(
        shell,
        "cargo check --package childwatch-core --package childwatch-pidfd --package childwatch-sigchld"
    )
    .args(["--features", "childwatch-pidfd/sigchld"])
    .args(targets)
    .run()?;
    println!("compiled for {}", installed.join(", "));
    Ok(Done::Passed)
}

/// The targets whose programs this machine runs by itself, if it is an x86-64 one.
const NATIVE: [&str; 2] = ["i686-unknown-linux-gnu", "x86_64-unknown-linux-musl"];

/// Runs the suite on the targets that this machine runs natively, so many cells at a time.
pub(super) fn run_suite(shell: &Shell, jobs: &str) -> anyhow::Result<Done> {
    if std::env::consts::ARCH != "x86_64" {
        return Ok(Done::Skipped("this machine is no x86-64 one".to_owned()));
    }
    let mut has_run = false;
    for target in NATIVE {
        if let Err(reason) = can_build(shell, target) {
            println!("{target} is skipped: {reason}");
            continue;
        }
        cmd!(
            shell,
            "cargo run --package childwatch-proofs --bin childwatch-conformance --target {target}"
        )
        .args(["--", "--test-threads", jobs])
        .run()?;
        has_run = true;
    }
    if has_run {
        Ok(Done::Passed)
    } else {
        Ok(Done::Skipped("no such target can be built here".to_owned()))
    }
}

/// Checks that a program can be linked for this target. Returns what is missing otherwise.
fn can_build(shell: &Shell, target: &str) -> Result<(), String> {
    if !is_installed(shell, target) {
        return Err(format!("`rustup target add {target}`"));
    }
    // Rust brings musl's parts along.
    let needs_multilib = target.starts_with("i686") && target.ends_with("gnu");
    let links = || {
        let program = std::env::temp_dir().join(format!("childwatch-i686-{}", std::process::id()));
        let links = succeeds(cmd!(shell, "cc -m32 -shared -x c /dev/null -o {program}"));
        let _ = shell.remove_path(&program);
        links
    };
    if needs_multilib && !links() {
        return Err("no 32-bit C library here (Debian: gcc-multilib)".to_owned());
    }
    Ok(())
}

/// Returns `true` if the compiler has the standard library of this target.
pub(super) fn is_installed(shell: &Shell, target: &str) -> bool {
    let library = cmd!(shell, "rustc --print target-libdir --target {target}")
        .quiet()
        .ignore_stderr()
        .read();
    library.is_ok_and(|library| Path::new(&library).is_dir())
}
