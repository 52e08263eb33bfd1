//! A program with a loop of its own over epoll: exits beside other events, on one thread.
//!
//! It starts three children and prints the code of each.

use std::io::{self, Write};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use childwatch_pidfd::{Pid, PidWatcherExt, PidfdWatcher};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;

/// What this program tells its events apart by.
const EXITS: u64 = 1;

fn main() -> anyhow::Result<()> {
    let (watcher, mut driver) = PidfdWatcher::driven()?;
    let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let data = epoll::EventData::new_u64(EXITS);
    epoll::add(&poller, &driver, data, epoll::EventFlags::IN)?;

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
    let mut events = Vec::with_capacity(8);
    while left > 0 {
        match epoll::wait(&poller, spare_capacity(&mut events), None) {
            // A signal has come.
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        for event in events.drain(..) {
            if event.data.u64() == EXITS {
                // The callbacks run here.
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
