//! [`Nightly`]: the compiler that has the sanitizers and Miri, where it is installed.

use std::env;
use std::path::PathBuf;

use xshell::{Cmd, Shell, cmd};

use crate::quietly::succeeds;

/// The variable that names another toolchain than `nightly`, such as that of a certain day.
const VARIABLE: &str = "CHILDWATCH_NIGHTLY";

pub(crate) struct Nightly {
    name: String,
}

impl Nightly {
    /// Returns the installed toolchain, or the reason if there is none. Rustup does not
    /// install one.
    pub(crate) fn find(shell: &Shell) -> Result<Self, String> {
        let name = env::var(VARIABLE).unwrap_or_else(|_| "nightly".to_owned());
        let nightly = Nightly { name };
        if succeeds(nightly.cargo(shell).arg("--version")) {
            return Ok(nightly);
        }
        let name = nightly.name;
        Err(format!(
            "no {name} toolchain here: `rustup toolchain install {name} -c rust-src -c miri`"
        ))
    }

    /// Returns the compiler's name, release and day.
    pub(crate) fn version(&self, shell: &Shell) -> anyhow::Result<String> {
        let toolchain = self.toolchain();
        Ok(cmd!(shell, "rustc {toolchain} --version").quiet().read()?)
    }

    /// Returns the toolchain's own target. With an explicit target, a sanitizer does not
    /// apply to build scripts and macros.
    pub(crate) fn host(&self, shell: &Shell) -> anyhow::Result<String> {
        let toolchain = self.toolchain();
        let host = cmd!(shell, "rustc {toolchain} --print host-tuple");
        Ok(host.quiet().read()?)
    }

    /// Returns the reason if the toolchain does not have the standard library's sources.
    pub(crate) fn has_sources(&self, shell: &Shell) -> Result<(), String> {
        let toolchain = self.toolchain();
        let sysroot = cmd!(shell, "rustc {toolchain} --print sysroot")
            .quiet()
            .read()
            .map_err(|error| error.to_string())?;
        let manifest = "lib/rustlib/src/rust/library/Cargo.lock";
        if PathBuf::from(sysroot).join(manifest).exists() {
            Ok(())
        } else {
            Err(self.lacks("rust-src"))
        }
    }

    /// Returns the reason if the toolchain does not have Miri.
    pub(crate) fn has_miri(&self, shell: &Shell) -> Result<(), String> {
        if succeeds(self.cargo(shell).args(["miri", "--version"])) {
            Ok(())
        } else {
            Err(self.lacks("miri"))
        }
    }

    pub(crate) fn cargo<'a>(&self, shell: &'a Shell) -> Cmd<'a> {
        let toolchain = self.toolchain();
        cmd!(shell, "cargo {toolchain}").env("RUSTUP_AUTO_INSTALL", "0")
    }

    fn toolchain(&self) -> String {
        format!("+{}", self.name)
    }

    fn lacks(&self, component: &str) -> String {
        let name = &self.name;
        format!(
            "the {name} toolchain has no {component}: `rustup component add {component} --toolchain {name}`"
        )
    }
}
