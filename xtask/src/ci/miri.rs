//! Miri: the code that makes no system call, for undefined behaviour and for races.
//!
//! A watcher itself is beyond it: it knows no page that the kernel wipes on fork.

use xshell::Shell;

use super::done::Done;
use super::nightly::Nightly;
use crate::workspace;

/// Packages, and the modules whose tests are run: the engine's state machine, its queue
/// and tables, the ring that the signal handler writes, the sweep's table and pace.
const TESTS: [(&str, &[&str]); 2] = [
    (
        "childwatch-core",
        &["chunked::", "queue::", "registry::", "table::"],
    ),
    ("childwatch-sigchld", &["hints::", "pace::", "table::"]),
];

/// Random sequences of steps, hundreds of eighty each, would take Miri too long; and it lets
/// nobody open the file of those that are kept.
const NOT_RUN: &str = "registry::model::";

/// Every test again under several schedules, and stores that are seen late.
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
    for (package, modules) in TESTS {
        nightly
            .cargo(shell)
            .args([
                "miri",
                "test",
                "--lib",
                "--package",
                package,
                "--target-dir",
            ])
            .arg(workspace::target().join("miri"))
            .arg("--")
            .args(modules)
            .args(["--skip", NOT_RUN])
            .env("MIRIFLAGS", FLAGS)
            .run()?;
    }
    Ok(Done::Passed)
}
