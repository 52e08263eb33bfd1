//! A slice: one row of one candidate, measured once, in a process of its own.
//!
//! The process is this program again. It raises what limits it can, measures, writes its
//! [`Outcome`] as a line of JSON, and ends. It has a process group of its own, which ends
//! with it however it ends.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::candidate::Candidate;
use crate::options::Conditions;
use crate::outcome::Outcome;
use crate::row::Row;
use crate::{candidates, clock, limits, machine, rows};

#[derive(clap::Args)]
pub(crate) struct Args {
    row: String,
    candidate: String,
    size: usize,
    #[command(flatten)]
    conditions: Conditions,
}

/// The slice's process.
pub(crate) fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let row = rows::named(&args.row).context("no such row")?;
    let candidate = candidates::named(&args.candidate).context("no such candidate")?;
    limits::raise()?;
    if args.conditions.pin {
        machine::pin()?;
    }
    let outcome = Outcome::from(row.measure(candidate, args.size, args.conditions.effort));
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(ExitCode::SUCCESS)
}

/// Has a slice measured.
pub(crate) fn measure(
    row: &dyn Row,
    candidate: &dyn Candidate,
    size: usize,
    Conditions { effort, pin }: Conditions,
) -> anyhow::Result<Outcome> {
    let effort = effort.to_possible_value().context("a hidden effort")?;
    let pin = pin.then_some("--pin");
    let slice = Command::new(env::current_exe()?)
        .args(["slice", row.name(), candidate.name()])
        .args([&size.to_string(), "--effort", effort.get_name()])
        .args(pin)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let group = Pid::from_child(&slice);
    let slice = slice.wait_with_output()?;
    end_group(group);
    let line = String::from_utf8_lossy(&slice.stdout);
    Ok(serde_json::from_str(&line).unwrap_or_else(|_| {
        let said = String::from_utf8_lossy(&slice.stderr);
        let mut lines = said.lines().filter(|line| !line.trim().is_empty());
        // Of a panic these are its place and its message.
        let first = [lines.next(), lines.next()].map(Option::unwrap_or_default);
        Outcome::Failed(format!("{}: {}", slice.status, first.join(" ")))
    }))
}

/// Ends what a slice that was itself ended has left: its children wait at their gate for
/// ever, for each of them holds it open. The next slice needs their numbers.
fn end_group(group: Pid) {
    const LOOKS: usize = 500;
    for _ in 0..LOOKS {
        if kill_process_group(group, Signal::KILL) == Err(Errno::SRCH) {
            return;
        }
        clock::pause(Duration::from_millis(10));
    }
}
