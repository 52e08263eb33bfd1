//! The program of the guest: this program, statically linked, because a guest has no
//! libraries.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use xshell::{Shell, cmd};

use super::architecture::{Architecture, Libc, Linker};
use crate::workspace;

/// The argument that starts this program on the guest's side.
pub(super) const GUEST: &str = "guest";

/// Builds the program in a target directory of its own, because its flags differ.
pub(super) fn build(architecture: Architecture, libc: Libc) -> anyhow::Result<PathBuf> {
    let shell = Shell::new()?;
    shell.change_dir(workspace::root());
    let target = architecture.traits().target(libc);
    target_is_installed(&shell, target)?;
    let linker = match libc {
        Libc::Gnu => {
            let linker = &architecture.traits().linker;
            static_libc_is_installed(&shell, architecture, linker)?;
            linker.program
        }
        // The target has its own libc, and Rust has a linker that knows each architecture.
        Libc::Musl => "rust-lld",
    };
    let directory = workspace::target().join("guest");
    // Optimised, because emulation is slow, and with the checks of a local run.
    cmd!(
        shell,
        "cargo build --package xtask --bin xtask --release --target {target} --target-dir {directory}"
    )
    // At a fixed address: each cell starts many programs, and none has to be relocated.
    .env(
        "RUSTFLAGS",
        "-Ctarget-feature=+crt-static -Crelocation-model=static",
    )
    .env(linker_of(target), linker)
    .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true")
    .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
    .quiet()
    .run()
    .context("the guest's program can't be built")?;
    Ok(directory.join(target).join("release/xtask"))
}

/// Returns the name of cargo's variable for the linker of a target.
fn linker_of(target: &str) -> String {
    let target = target.to_uppercase().replace('-', "_");
    format!("CARGO_TARGET_{target}_LINKER")
}

fn target_is_installed(shell: &Shell, target: &str) -> anyhow::Result<()> {
    let library = cmd!(shell, "rustc --print target-libdir --target {target}")
        .quiet()
        .ignore_stderr()
        .read();
    ensure!(
        library.is_ok_and(|library| Path::new(&library).is_dir()),
        "the target {target} is not installed (rustup target add {target})"
    );
    Ok(())
}

fn static_libc_is_installed(
    shell: &Shell,
    architecture: Architecture,
    linker: &Linker,
) -> anyhow::Result<()> {
    let Linker {
        program,
        package,
        libc_package,
    } = linker;
    let path = cmd!(shell, "{program} -print-file-name=libc.a")
        .quiet()
        .ignore_stderr()
        .read()
        .ok()
        .with_context(|| {
            format!("no {program} is installed to link with (Debian: apt-get install {package})")
        })?;
    // If there is no such file, the compiler returns the bare name.
    ensure!(
        path != "libc.a",
        "no static libc for {architecture} is installed (Debian: apt-get install {libc_package})"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_piece_is_named_with_what_installs_it() {
        let shell = Shell::new().unwrap();
        let target = "no-such-target";
        let error = target_is_installed(&shell, target).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the target no-such-target is not installed (rustup target add no-such-target)"
        );

        let missing = Linker {
            program: "no-such-gcc",
            package: "gcc-of-none",
            libc_package: "libc-of-none",
        };
        let of = |linker: &Linker| {
            static_libc_is_installed(&shell, Architecture::Armv7, linker)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            of(&missing),
            "no no-such-gcc is installed to link with (Debian: apt-get install gcc-of-none)"
        );
        // A compiler whose libc.a is missing answers with the bare name.
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("gcc-without-libc");
        shell
            .write_file(&program, "#!/bin/sh\necho libc.a\n")
            .unwrap();
        cmd!(shell, "chmod +x {program}").quiet().run().unwrap();
        let linker = Linker {
            program: program.to_str().unwrap().to_owned().leak(),
            ..missing
        };
        assert_eq!(
            of(&linker),
            "no static libc for armv7 is installed (Debian: apt-get install libc-of-none)"
        );
    }

    #[test]
    fn a_linker_is_named_as_cargo_does() {
        assert_eq!(
            linker_of("riscv64gc-unknown-linux-gnu"),
            "CARGO_TARGET_RISCV64GC_UNKNOWN_LINUX_GNU_LINKER"
        );
    }
}
