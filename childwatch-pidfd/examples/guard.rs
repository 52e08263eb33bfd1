//! Watches a child only as long as one part of the program runs.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use childwatch_pidfd::{Pid, PidWatcherExt, PidfdWatcher, WatchError};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let watcher = PidfdWatcher::new()?;
    // The closure is `'static`, so it shares the flag and does not borrow it.
    let is_reported = Arc::new(AtomicBool::new(false));
    // It exits when its input ends.
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn()?;

    work_with(&watcher, Pid::from(&child), Arc::clone(&is_reported))?;

    drop(child.stdin.take());
    child.wait()?;
    let is_reported = is_reported.load(Ordering::Acquire);
    println!("an exit after the work is reported: {is_reported}");
    Ok(())
}

/// However this function ends, by a return, `?` or a panic, the guard ends the watch.
fn work_with(
    watcher: &PidfdWatcher,
    pid: Pid,
    is_reported: Arc<AtomicBool>,
) -> Result<(), WatchError> {
    let _guard =
        watcher.watch_guard(pid, move |_exit| is_reported.store(true, Ordering::Release))?;
    println!("working with a helper");
    Ok(())
}
