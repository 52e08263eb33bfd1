//! ThreadSanitizer: every unit test of the engine and the backends, and the whole
//! conformance suite.
//!
//! The standard library is built with it too. Without that the sanitizer sees neither a
//! contended mutex nor a channel, and finds races wherever one has kept order: nearly
//! every case fails then, and a list of what to overlook would cover the registry itself.

use xshell::Shell;

use super::done::Done;
use super::nightly::Nightly;
use crate::workspace;

/// `thread_sanitizer` tells the suite. What it can't run then says so in its needs.
const FLAGS: &str = "-Zsanitizer=thread --cfg thread_sanitizer";

/// A cell in which a race was found exits with a code of its own. No process waits a second,
/// at its exit, for races that may yet come. A forked copy may start threads.
const OPTIONS: &str = "exitcode=66 atexit_sleep_ms=0 die_after_fork=0";

/// Whose unit tests are run.
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
    // The suite's own program, and not this one, whose other packages would take as long
    // again to build.
    cargo("run")
        .args(["--package", "childwatch-ptrace-free-tests"])
        .run()?;
    Ok(Done::Passed)
}
