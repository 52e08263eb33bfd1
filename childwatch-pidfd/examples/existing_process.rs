//! Watches a process that was there before, by a pidfd that another part of the program, or another
//! process, has opened: `cargo run -p childwatch-pidfd --example existing_process -- PID`.
//!
//! Whoever opens the pidfd knows which process it means. After that the pid may be reused, and the
//! pidfd still means the same process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc;

use childwatch_pidfd::{Pid, PidWatcher, PidfdWatcher};
use rustix::process::{PidfdFlags, pidfd_open};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = std::env::args()
        .nth(1)
        .ok_or("usage: existing_process PID")?;
    let pidfd = open(argument.parse()?)?;

    let watcher = PidfdWatcher::new()?;
    let (sender, receiver) = mpsc::channel();
    let callback = Box::new(move |exit| sender.send(exit).unwrap_or_default());
    let handle = watcher.watch_pidfd(pidfd.as_fd(), callback)?;
    println!("watching process {}", handle.pid());
    println!("{}", receiver.recv()?);
    Ok(())
}

/// The pidfd may also come from `clone3`, or through a socket (`SCM_RIGHTS`).
fn open(pid: Pid) -> io::Result<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(pid.as_raw()).ok_or(io::ErrorKind::NotFound)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}
