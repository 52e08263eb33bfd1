//! cargo-deny: checks all dependencies by the rules of deny.toml.
//!
//! Licences, bans and sources need only the package registry. RustSec's database of
//! advisories is on GitHub. If GitHub cannot be reached, the step uses a copy that the user
//! has installed. Without a copy, only the advisories that deny.toml names are checked.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use xshell::{Shell, cmd};

use super::done::Done;
use crate::quietly::succeeds;
use crate::workspace;

/// The version that is installed if there is none.
const VERSION: &str = "0.20.2";

/// The variable that tells deny.toml where RustSec's database is, if not in the target
/// directory.
const DATABASES: &str = "CHILDWATCH_ADVISORY_DBS";

/// The most seconds of a fetch. Some networks never answer.
const PATIENCE: &str = "60";

pub(super) fn run(shell: &Shell) -> anyhow::Result<Done> {
    let program = match program(shell) {
        Ok(program) => program,
        Err(reason) => return Ok(Done::Skipped(reason)),
    };
    cmd!(shell, "{program} --locked check bans licenses sources").run()?;

    let databases = env::var_os(DATABASES)
        .map_or_else(|| workspace::target().join("advisory-dbs"), PathBuf::from);
    let fetched = cmd!(shell, "timeout {PATIENCE} {program} --locked fetch db")
        .env(DATABASES, &databases)
        .env("GIT_TERMINAL_PROMPT", "0")
        .ignore_stderr()
        .run();
    if fetched.is_ok() || has_database(&databases) {
        // Offline, because the database was fetched above. A copy older than 90 days is
        // refused.
        cmd!(shell, "{program} --locked --offline check advisories")
            .env(DATABASES, &databases)
            .run()?;
    } else {
        let databases = databases.display();
        println!(
            "deny: advisories – RustSec's database can't be fetched, and there is no copy in \
             {databases}: those that deny.toml names were checked, and no later ones"
        );
    }
    Ok(Done::Passed)
}

/// Returns cargo-deny, as the user or an earlier run has installed it. In CI, installs it if
/// it is missing. Returns the reason if there is none.
fn program(shell: &Shell) -> Result<PathBuf, String> {
    let tools = workspace::target().join("tools");
    let own = tools.join("bin/cargo-deny");
    for known in [Path::new("cargo-deny"), &own] {
        if succeeds(cmd!(shell, "{known} --version")) {
            return Ok(known.to_owned());
        }
    }
    if env::var_os("CI").is_none() {
        return Err("no cargo-deny here: `cargo install --locked cargo-deny`".to_owned());
    }
    // Without optimisation the build takes half the time.
    cmd!(
        shell,
        "cargo install --quiet --locked --debug --root {tools} cargo-deny@{VERSION}"
    )
    .run()
    .map_err(|error| format!("no cargo-deny here, and it can't be installed ({error})"))?;
    Ok(own)
}

/// Returns `true` if the directory has a database in a folder, as cargo-deny keeps it.
fn has_database(directory: &Path) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .into_iter()
        .any(|entry| entry.path().join("crates").is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_known_by_its_crates() {
        let directory = tempfile::tempdir().unwrap();
        assert!(!has_database(&directory.path().join("missing")));
        fs::write(directory.path().join("db.lock"), "").unwrap();
        fs::create_dir(directory.path().join("advisory-db-0")).unwrap();
        assert!(!has_database(directory.path()));
        fs::create_dir(directory.path().join("advisory-db-0/crates")).unwrap();
        assert!(has_database(directory.path()));
    }
}
