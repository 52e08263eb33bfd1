//! A program with a loop of its own over polling: exits beside other events, on one thread.
//!
//! It starts three children and prints the code of each.

#![expect(unsafe_code, reason = "`Poller::add`")]

use std::io::{self, Write};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use childwatch_pidfd::{Pid, PidWatcherExt, PidfdWatcher};
use polling::{Event, Events, Poller};

/// What this program tells its events apart by.
const EXITS: usize = 1;

fn main() -> anyhow::Result<()> {
    let (watcher, mut driver) = PidfdWatcher::driven()?;
    let poller = Poller::new()?;
    // SAFETY: the descriptor is deleted from the poller before the driver is dropped.
    unsafe { poller.add(&driver, Event::readable(EXITS))? };

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
    let mut events = Events::new();
    while left > 0 {
        events.clear();
        poller.wait(&mut events, None)?;
        for event in events.iter() {
            if event.key == EXITS {
                left -= driver.drive(Some(Duration::ZERO))?;
                // An event is for once.
                poller.modify(&driver, Event::readable(EXITS))?;
            }
        }
    }
    poller.delete(&driver)?;
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
