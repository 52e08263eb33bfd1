//! Runs a closure when a child has exited.

use std::process::Command;
use std::sync::mpsc;

use childwatch_pidfd::{PidWatcherExt, PidfdWatcher};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // It is kept to the end of `main`: when it is dropped, no callback runs any more.
    let watcher = PidfdWatcher::new()?;

    let (sender, receiver) = mpsc::channel();
    let mut command = Command::new("sh");
    let (mut child, _handle) =
        watcher.spawn_watched(command.args(["-c", "exit 3"]), move |exit| {
            // This runs on the watcher's thread. The receiver may be gone already.
            let _ = sender.send(exit);
        })?;

    let exit = receiver.recv()?;
    // The child is reaped after the callback, so that the watcher still finds its status.
    child.wait()?;
    match exit.status() {
        Some(status) => println!("the child has exited with {status}"),
        None => println!("the child has exited"),
    }
    Ok(())
}
