//! Runs a command, and prints what it has used:
//!
//! ```console
//! $ cargo run -p childwatch-pidfd --example resource_usage -- sh -c 'exit 3'
//! process 9979: exit status: 3
//! user 1.2ms, system 0.9ms, memory 1792 KiB, faults 0 major and 151 minor
//! ```

use std::env;
use std::process::Command;
use std::sync::mpsc;

use anyhow::Context;
use childwatch_pidfd::{Pid, PidWatcherExt, PidfdWatcher};

fn main() -> anyhow::Result<()> {
    let mut arguments = env::args_os().skip(1);
    let program = arguments.next().context("a command is missing")?;
    let watcher = PidfdWatcher::new()?.with_resource_usage();
    let mut child = Command::new(program).args(arguments).spawn()?;
    let (sender, receiver) = mpsc::channel();
    watcher.on_exit(Pid::from(&child), move |exit| {
        sender.send(exit).expect("main waits")
    })?;
    let exit = receiver.recv()?;
    child.wait()?;
    println!("{exit}");
    let usage = exit.resource_usage().context("the kernel tells no usage")?;
    println!(
        "user {:?}, system {:?}, memory {} KiB, faults {} major and {} minor",
        usage.user_time,
        usage.system_time,
        usage.max_resident / 1024,
        usage.major_faults,
        usage.minor_faults,
    );
    Ok(())
}
