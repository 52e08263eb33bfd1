//! This program started anew, as a process of its own under a deadline: changes to its limits,
//! signals and system calls affect no other process, and it may hang or crash.

use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, set_parent_process_death_signal};

use crate::kit::sys::death;

/// What such a process exits with when what it is for is unsupported; the reason is its
/// output.
pub const UNSUPPORTED: u8 = 77;

/// How such a process ended.
#[derive(Debug)]
pub struct Ended {
    /// `None` when it was killed at its deadline.
    pub status: Option<ExitStatus>,
    /// What it has written to its standard output.
    pub output: String,
    /// What it has written to its standard error.
    pub errors: String,
    /// From its start to its end.
    pub elapsed: Duration,
}

/// Runs `program` with these arguments. At the deadline it is killed, with all that it has
/// started.
///
/// # Errors
///
/// If the process can't be started or waited for.
pub fn run<'a>(
    program: &Path,
    arguments: impl IntoIterator<Item = &'a str>,
    deadline: Duration,
) -> io::Result<Ended> {
    run_unless(program, arguments, deadline, || false)
}

/// The same, but a process that `is_called_off` is killed before its deadline.
pub(crate) fn run_unless<'a>(
    program: &Path,
    arguments: impl IntoIterator<Item = &'a str>,
    deadline: Duration,
    is_called_off: impl Fn() -> bool,
) -> io::Result<Ended> {
    let start = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let output = read_aside(child.stdout.take());
    let errors = read_aside(child.stderr.take());

    let is_over = ends_within(&child, deadline, is_called_off)?;
    // What it may have started is of its group, whose number stays its own until it is
    // reaped.
    kill_group(&child);
    let status = child.wait()?;
    Ok(Ended {
        status: is_over.then_some(status),
        elapsed: start.elapsed(),
        output: collect(&output),
        errors: collect(&errors),
    })
}

/// Waits for the end, and asks now and then whether to go on.
fn ends_within(
    child: &Child,
    deadline: Duration,
    is_called_off: impl Fn() -> bool,
) -> io::Result<bool> {
    const SLICE: Duration = Duration::from_millis(100);
    let end = Instant::now() + deadline;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if death::waitable_within(child, left.min(SLICE))? {
            return Ok(true);
        }
        if left <= SLICE || is_called_off() {
            return Ok(false);
        }
    }
}

/// Has the kernel kill this process when its runner ends. Such a process calls it first. The
/// runner waits for it on the thread that has started it, whose end counts here.
pub fn end_with_the_runner() {
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
}

/// Why a process failed: its output and how it ended.
#[must_use]
pub fn explain(status: ExitStatus, errors: &str) -> String {
    let errors = errors.trim();
    let ended = match status.signal() {
        Some(_) => format!("the cell ended by {status}"),
        None => format!("the cell ended with {status}"),
    };
    if errors.is_empty() {
        ended
    } else {
        format!("{errors}\n{ended}")
    }
}

fn kill_group(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // ESRCH: all of it has ended.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Reads a pipe on a thread of its own, so that neither fills up.
fn read_aside(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = send.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receive
}

/// The pipe's text. A process that escaped the group could hold it open: that
/// must not hold the runner up.
fn collect(text: &mpsc::Receiver<String>) -> String {
    text.recv_timeout(Duration::from_secs(5))
        .unwrap_or_else(|_| "(its output is held open by a process that it left)".to_owned())
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    #[test]
    fn a_process_has_a_backtrace_if_the_user_wants_one() {
        let arguments = ["-c", "echo ${RUST_BACKTRACE-unset}"];
        let ended = run(Path::new("/bin/sh"), arguments, Duration::from_secs(60)).unwrap();
        let wanted = env::var("RUST_BACKTRACE").unwrap_or_else(|_| "unset".to_owned());
        assert_eq!(ended.output.trim(), wanted);
    }
}
