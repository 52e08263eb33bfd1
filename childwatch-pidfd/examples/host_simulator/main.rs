//! A small host simulator like Shadow: it answers the system calls of managed processes,
//! and notices if one of them dies in between.
//!
//! ```text
//! cargo run -p childwatch-pidfd --example host_simulator
//! ```
//!
//! The simulator knows its processes by a trait, and the watcher as
//! `&dyn PidWatcher`. Here it gets real ones; the tests run it on simulated ones too.

#![forbid(unsafe_code)]

mod channel;
mod shell;
#[cfg(test)]
mod simulated;
mod simulator;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use anyhow::Context;
use childwatch_pidfd::PidfdWatcher;

use crate::shell::ShellProcess;
use crate::simulator::{ManagedProcess, simulate};

/// Names and scripts. A system call is a line on standard output, and its result is a line
/// on standard input.
const PROGRAMS: [(&str, &str); 3] = [
    (
        "client",
        "for call in connect send recv exit; do echo $call; read -r result; done",
    ),
    ("server", "echo accept; read -r result; kill -KILL $$"),
    ("logger", "echo open; read -r result; exit 3"),
];

fn main() -> anyhow::Result<()> {
    let watcher = PidfdWatcher::new()?;
    let mut processes: Vec<Box<dyn ManagedProcess>> = Vec::new();
    for (name, script) in PROGRAMS {
        let process =
            ShellProcess::launch(name, script).with_context(|| format!("cannot launch {name}"))?;
        processes.push(Box::new(process));
    }
    for fate in simulate(&watcher, processes)? {
        // An error means that the output is a closed pipe.
        let _ = writeln!(io::stdout(), "{fate}");
    }
    Ok(())
}
