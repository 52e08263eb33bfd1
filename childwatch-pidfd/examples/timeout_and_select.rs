//! Awaits exits on tokio: with a timeout, and beside other events.

use std::process::{Command, Stdio};
use std::time::Duration;

use childwatch_pidfd::{PidWatcherExt, PidfdWatcher};
use tokio::sync::mpsc;
use tokio::time::timeout;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let watcher = PidfdWatcher::new()?;
    // It exits when its input ends.
    let mut command = Command::new("cat");
    let (mut child, mut exited) = watcher.spawn_exited(command.stdin(Stdio::piped()))?;

    // `&mut` keeps the future, so that it can be awaited again.
    let in_time = timeout(Duration::from_millis(20), &mut exited).await;
    println!("exited in time: {}", in_time.is_ok());

    let (sender, mut requests) = mpsc::channel(1);
    sender.send("a request").await?;
    loop {
        tokio::select! {
            biased;
            Some(request) = requests.recv() => {
                println!("received {request}");
                drop(child.stdin.take());
            }
            exit = &mut exited => {
                let status = child.wait()?; // returns at once
                println!("exited: {}, {status}", exit.is_some());
                return Ok(());
            }
        }
    }
}
