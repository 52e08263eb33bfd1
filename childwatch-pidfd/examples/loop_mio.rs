//! A program with a loop of its own over mio: exits beside other events, on one thread.
//!
//! It starts three children and prints the code of each.

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use childwatch_pidfd::{Pid, PidWatcherExt, PidfdWatcher};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

/// What this program tells its events apart by.
const EXITS: Token = Token(1);

fn main() -> anyhow::Result<()> {
    let (watcher, mut driver) = PidfdWatcher::driven()?;
    let mut poll = Poll::new()?;
    let number = driver.as_raw_fd();
    poll.registry()
        .register(&mut SourceFd(&number), EXITS, Interest::READABLE)?;

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
    let mut events = Events::with_capacity(8);
    while left > 0 {
        if let Err(error) = poll.poll(&mut events, None) {
            // A signal has come.
            anyhow::ensure!(error.kind() == std::io::ErrorKind::Interrupted, error);
        }
        for event in &events {
            if event.token() == EXITS {
                // mio's events are edges. One drive for each is enough.
                left -= driver.drive(Some(Duration::ZERO))?;
            }
        }
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
