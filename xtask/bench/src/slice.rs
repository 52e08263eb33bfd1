//! A slice: one row of one candidate, measured once, in a process of its own.
//!
//! The process is this program again. It sets its limits, measures, writes its
//! [`Outcome`] as a line of JSON, and ends. It has a process group of its own, which ends
//! with it however it ends.

use std::env;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::panic;
use std::process::{self, Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::candidate::Candidate;
use crate::options::Conditions;
use crate::outcome::Outcome;
use crate::row::Row;
use crate::{candidates, clock, limits, machine, rows};

/// No row takes a slice so long, however busy the machine.
const LONGEST: Duration = Duration::from_secs(180);

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
    end_at_a_panic();
    limits::set()?;
    if args.conditions.pin {
        machine::pin()?;
    }
    let outcome = Outcome::from(row.measure(candidate, args.size, args.conditions.effort));
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(ExitCode::SUCCESS)
}

/// A panic on any thread ends the slice: nobody hears of an exit from a thread that has
/// ended, and who waits for it would wait in vain.
fn end_at_a_panic() {
    const PANICKED: i32 = 101;
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        report(panic);
        process::exit(PANICKED);
    }));
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
    let (status, [line, said]) = end_of(slice)?;
    Ok(serde_json::from_str(&line).unwrap_or_else(|_| {
        let mut lines = said.lines().filter(|line| !line.trim().is_empty());
        // Of a panic these are its place and its message.
        let first = [lines.next(), lines.next()].map(Option::unwrap_or_default);
        Outcome::Failed(format!("{status}: {}", first.join(" ")))
    }))
}

/// Waits for a slice, and ends it when it takes too long: how it ended, and what it wrote
/// to its two outputs.
///
/// These are read when all that hold them open have ended, and so the slice's children
/// too, which may outlive it. What a slice writes has room in a pipe.
fn end_of(mut slice: Child) -> anyhow::Result<(String, [String; 2])> {
    let group = Pid::from_child(&slice);
    let pidfd = pidfd_open(group, PidfdFlags::empty())?;
    let limit = Timespec::try_from(LONGEST)?;
    let poll = || poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit));
    let status = if retry_on_intr(poll)? == 0 {
        slice.kill()?;
        slice.wait()?;
        format!("no end within {LONGEST:?}")
    } else {
        slice.wait()?.to_string()
    };
    end_group(group);
    let mut outputs = [String::new(), String::new()];
    if let Some(mut stdout) = slice.stdout.take() {
        stdout.read_to_string(&mut outputs[0])?;
    }
    if let Some(mut stderr) = slice.stderr.take() {
        stderr.read_to_string(&mut outputs[1])?;
    }
    Ok((status, outputs))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of_shell(script: &str) -> (String, [String; 2]) {
        let shell = Command::new("sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        end_of(shell).unwrap()
    }

    #[test]
    fn a_slices_outputs_and_status_are_kept() {
        let (status, outputs) = end_of_shell("echo measured; echo said >&2; exit 3");
        assert_eq!(status, "exit status: 3");
        assert_eq!(outputs, ["measured\n", "said\n"]);
    }

    #[test]
    fn what_outlives_a_slice_is_ended_and_not_waited_for() {
        // It holds both outputs open.
        let (status, outputs) = end_of_shell("sleep 1000 & echo $!");
        assert_eq!(status, "exit status: 0");
        let left = outputs[0].trim().parse().unwrap();
        let left = Pid::from_raw(left).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{left}/stat"));
        assert!(stat.is_err() || stat.unwrap().contains(") Z "));
    }
}
