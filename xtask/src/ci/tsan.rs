//! ThreadSanitizer: runs every unit test of the engine and the backends, and the whole
//! conformance suite.
//!
//! The standard library is built with the sanitizer too. Otherwise the sanitizer sees neither
//! a contended mutex nor a channel, and reports races in nearly every case. A list of
//! exceptions would have to cover the registry itself.

use xshell::Shell;

use super::done::Done;
use crate::nightly::Nightly;
use crate::workspace;

/// `thread_sanitizer` is for the suite. A case that cannot run with the sanitizer says so in
/// its needs.
const FLAGS: &str = "-Zsanitizer=thread --cfg thread_sanitizer";

/// If a race is found, the cell exits with a code of its own. At its exit, no process waits a
/// second for further races. A forked copy may start threads.
const OPTIONS: &str = "exitcode=66 atexit_sleep_ms=0 die_after_fork=0";

/// The packages whose unit tests are run.
const PACKAGES: [&str; 3] = ["childwatch-core", "childwatch-pidfd", "childwatch-sigchld"];

pub(super) fn run(shell: &Shell) -> anyhow::Result<Done> {
    let nightly =
        Nightly::find(shell).and_then(|nightly| nightly.has_sources(shell).map(|()| nightly));
    let nightly = match nightly {
        Ok(nightly) => nightly,
        Err(reason) => return Ok(Done::Skipped(reason)),
    };
    let host = nightly.host(shell)?;
    let cargo = |command| {
        nightly
            .cargo(shell)
            .arg(command)
            .args(["-Zbuild-std", "--target", &host, "--target-dir"])
            .arg(workspace::target().join("tsan"))
            .env("RUSTFLAGS", FLAGS)
            .env("TSAN_OPTIONS", OPTIONS)
    };
    let packages = PACKAGES.iter().flat_map(|package| ["--package", package]);
    cargo("test").arg("--lib").args(packages).run()?;
    // This is the suite's own program. This program has other packages, which would double
    // the time of the build.
    cargo("run")
        .args(["--package", "childwatch-proofs"])
        .run()?;
    Ok(Done::Passed)
}
