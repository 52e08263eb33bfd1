//! Miri: searches the code without system calls for undefined behaviour and for races.
//!
//! Miri cannot run a watcher, because it does not support pages that the kernel wipes on
//! fork.

use xshell::Shell;

use super::done::Done;
use crate::nightly::Nightly;
use crate::workspace;

/// Packages, and the modules whose tests are run: the engine's state machine, its queue
/// and tables, the ring that the signal handler writes, the sweep's table and schedule.
const TESTS: [(&str, &[&str]); 2] = [
    (
        "childwatch-core",
        &[
            "engine::queue::",
            "engine::registry::",
            "source::chunked::",
            "source::pid_index::",
            "source::token_table::",
        ],
    ),
    ("childwatch-sigchld", &["hints::", "schedule::", "table::"]),
];

/// The tests of random sequences are left out. They take Miri too long, and Miri cannot open
/// the file of kept sequences.
const NOT_RUN: &str = "engine::registry::model::";

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
