//! Starts several children, and waits for the first exit, and then for the others.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use childwatch_pidfd::{Exit, Pid, PidWatcherExt, PidfdWatcher};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let watcher = PidfdWatcher::new()?;
    let set = watcher.exit_set();
    let mut children = HashMap::new();
    for script in ["exit 3", "read line; exit 4", "read line; exit 5"] {
        let mut command = Command::new("sh");
        let child = command.args(["-c", script]).stdin(Stdio::piped()).spawn()?;
        let pid = Pid::from(&child);
        children.insert(pid, child);
        set.insert(pid)?;
    }

    let first = set
        .wait_timeout(Duration::from_secs(60))?
        .ok_or("no exit in a minute")?;
    println!("first: exit code {:?}", reap(&mut children, first)?);

    children
        .values_mut()
        .for_each(|child| drop(child.stdin.take()));
    let mut codes = Vec::new();
    for exit in &set {
        codes.push(reap(&mut children, exit?)?);
    }
    codes.sort();
    println!("then: exit codes {codes:?}");
    Ok(())
}

fn reap(children: &mut HashMap<Pid, Child>, exit: Exit) -> std::io::Result<Option<i32>> {
    let child = children.get_mut(&exit.pid());
    Ok(child.expect("a child of the set").wait()?.code())
}
