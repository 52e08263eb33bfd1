//! Other architectures and C libraries: the libraries compile for each.
//!
//! The suite itself runs on some of them: see docs/kernels.md.

use std::path::Path;

use xshell::{Shell, cmd};

use super::done::Done;

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

/// Returns `true` if the compiler has the standard library of this target.
pub(super) fn is_installed(shell: &Shell, target: &str) -> bool {
    let library = cmd!(shell, "rustc --print target-libdir --target {target}")
        .quiet()
        .ignore_stderr()
        .read();
    library.is_ok_and(|library| Path::new(&library).is_dir())
}
