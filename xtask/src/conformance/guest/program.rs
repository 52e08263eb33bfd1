//! The program of the guest: this program, statically linked, because a guest has no
//! libraries.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use xshell::{Shell, cmd};

use crate::workspace;

/// The argument that starts this program on the guest's side.
pub(super) const GUEST: &str = "guest";

/// The target of the host too. A guest is emulated for its kernel, and not for another
/// instruction set.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds the program in a target directory of its own, because its flags differ.
pub(super) fn build() -> anyhow::Result<PathBuf> {
    let shell = Shell::new()?;
    shell.change_dir(workspace::root());
    static_libc_is_installed(&shell)?;
    let directory = workspace::target().join("guest");
    // Optimised, because emulation is slow, and with the checks of a local run.
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
    // If there is no such file, the compiler returns the bare name.
    ensure!(
        path != "libc.a",
        "no static libc is installed to link with (Debian: apt-get install libc6-dev)"
    );
    Ok(())
}
