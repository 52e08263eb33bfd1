//! Starts several children, and waits for the first exit, and then for the others.

use std::process::{Command, Stdio};
use std::time::Duration;

use childwatch_pidfd::{Exit, Pid, PidWatcherExt, PidfdWatcher};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let watcher = PidfdWatcher::new()?;
    let set = watcher.exit_set();
    let mut children = Vec::new();
    for script in ["exit 3", "read line; exit 4", "read line; exit 5"] {
        let mut shell = Command::new("sh");
        let child = shell.args(["-c", script]).stdin(Stdio::piped()).spawn()?;
        set.insert(Pid::from(&child))?;
        children.push(child);
    }

    let minute = Duration::from_secs(60);
    let first = set.wait_timeout(minute)?.ok_or("no exit in a minute")?;
    println!("first: {}", status_of(first));
    // The others exit when their input ends.
    children
        .iter_mut()
        .for_each(|child| drop(child.stdin.take()));
    let others: Result<Vec<_>, _> = set.iter().map(|exit| exit.map(status_of)).collect();
    let mut others = others?;
    others.sort();
    println!("then: {}", others.join(", "));
    for mut child in children {
        child.wait()?;
    }
    Ok(())
}

fn status_of(exit: Exit) -> String {
    let status = exit.status();
    status.map_or_else(|| "unknown".to_owned(), |status| status.to_string())
}
