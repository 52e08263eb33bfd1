//! Miri: searches the ring that the signal handler writes for races and torn values.
//!
//! Miri cannot run a watcher, because it does not support pages that the kernel wipes on
//! fork. The state machines of the engine and of the sweep have neither unsafe code nor
//! threads, so Miri would find in them only what their own tests find.

use xshell::Shell;

use super::done::Done;
use crate::nightly::Nightly;
use crate::workspace;

const PACKAGE: &str = "childwatch-sigchld";

/// The module whose tests are run: lock-free, and shared by a signal handler and a thread.
const MODULE: &str = "listen::hints::";

/// Runs every test under several schedules, and with delayed stores.
const FLAGS: &str = "-Zmiri-many-seeds=0..4";

pub(super) fn run(shell: &Shell) -> anyhow::Result<Done> {
    let nightly = Nightly::find(shell).and_then(|nightly| {
        nightly.has_miri(shell)?;
        nightly.has_sources(shell)?;
        Ok(nightly)
    });
    let nightly = match nightly {
        Ok(nightly) => nightly,
        Err(reason) => return Ok(Done::Skipped(reason)),
    };
    let target = workspace::target().join("miri");
    nightly
        .cargo(shell)
        .args(["miri", "test", "--lib", "--package", PACKAGE])
        .arg("--target-dir")
        .arg(target)
        .args(["--", MODULE])
        .env("MIRIFLAGS", FLAGS)
        .run()?;
    Ok(Done::Passed)
}
