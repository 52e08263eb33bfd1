//! The program of the guest: this one, linked statically, for a guest has no
//! libraries.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use xshell::{Shell, cmd};

use crate::workspace;

/// The argument that starts this program on the guest's side.
pub(super) const GUEST: &str = "guest";

/// The host's too: a guest is emulated so that its kernel is another, not its
/// instruction set.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds it, in a target directory of its own: the flags are others.
pub(super) fn build() -> anyhow::Result<PathBuf> {
    let shell = Shell::new()?;
    shell.change_dir(workspace::root());
    static_libc_is_installed(&shell)?;
    let directory = workspace::target().join("guest");
    // Optimised, for emulation is slow; but with the checks of a local run.
    cmd!(
        shell,
        "cargo build --package xtask --bin xtask --release --target {TARGET} --target-dir {directory}"
    )
    .env("RUSTFLAGS", "-Ctarget-feature=+crt-static")
    .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true")
    .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
    .quiet()
    .run()
    .context("the guest's program can't be built")?;
    Ok(directory.join(TARGET).join("release/xtask"))
}

fn static_libc_is_installed(shell: &Shell) -> anyhow::Result<()> {
    let path = cmd!(shell, "cc -print-file-name=libc.a")
        .quiet()
        .read()
        .context("no C compiler is installed to link with (Debian: apt-get install gcc)")?;
    // The compiler gives the bare name back when it finds no such file.
    ensure!(
        path != "libc.a",
        "no static libc is installed to link with (Debian: apt-get install libc6-dev)"
    );
    Ok(())
}
