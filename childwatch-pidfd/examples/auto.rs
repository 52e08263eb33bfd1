//! Watches with pidfds, and with `SIGCHLD` where they are refused or used up: no choice to make.
//!
//! `cargo run -p childwatch-pidfd --features sigchld --example auto`

use std::process::Command;
use std::time::Duration;

use childwatch_pidfd::{AutoWatcher, Pid, PidWatcherExt};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let watcher = AutoWatcher::new()?;
    let mut children = Vec::new();
    for code in ["3", "4", "5"] {
        children.push(Command::new("sh").args(["-c", "exit $0", code]).spawn()?);
    }
    let pids = children.iter().map(Pid::from);
    let exits = watcher.wait_all(pids, Duration::from_secs(60))?;
    for child in &mut children {
        child.wait()?;
    }
    let statuses = exits.iter().filter_map(|exit| exit.status());
    let sum: i32 = statuses.filter_map(|status| status.code()).sum();
    println!("{} exits, the sum of the codes: {sum}", exits.len());
    Ok(())
}
