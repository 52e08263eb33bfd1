//! A program with a loop of its own over tokio: exits beside other events, on one thread.
//!
//! It starts three children and prints the code of each.

#![expect(unsafe_code, reason = "`AsyncFd::register_with_interest`")]

use std::io::{self, Write};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use childwatch_pidfd::{Pid, PidWatcherExt, PidfdWatcher};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let (watcher, driver) = PidfdWatcher::driven()?;
    // SAFETY: a driver has the same open descriptor until it is dropped.
    let registered = unsafe { AsyncFd::register_with_interest(driver, Interest::READABLE) };
    let mut driver = registered?;

    let (sender, receiver) = mpsc::channel();
    let mut children = Vec::new();
    for code in ["3", "4", "5"] {
        let child = Command::new("sh").args(["-c", "exit $0", code]).spawn()?;
        let sender = sender.clone();
        watcher.on_exit(Pid::from(&child), move |exit| {
            let _ = sender.send(exit);
        })?;
        children.push(child);
    }

    let mut left = children.len();
    while left > 0 {
        let mut ready = driver.readable_mut().await?;
        // Before the drive, which may leave something and then makes a new edge.
        ready.clear_ready();
        left -= ready.get_inner_mut().drive(Some(Duration::ZERO))?;
    }
    let mut codes: Vec<_> = receiver.try_iter().map(|exit| exit.status()).collect();
    codes.sort_by_key(|status| status.and_then(|status| status.code()));
    for status in codes.into_iter().flatten() {
        // An error means that the output is a closed pipe.
        let _ = writeln!(io::stdout(), "{status}");
    }
    for mut child in children {
        child.wait()?;
    }
    Ok(())
}
