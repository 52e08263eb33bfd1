//! [`Running`]: the process of a slice, which takes [turns](mod@crate::measuring::turns).
//!
//! The process has a process group of its own. The group is killed when the process exits and
//! when the [`Running`] is dropped. Every wait for the process has a deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::measuring::clock;
use crate::measuring::outcome::Outcome;
use crate::measuring::turns::{GO, WAITING};

/// The longest time without a message of a slice, however busy the machine is.
const LONGEST: Duration = Duration::from_secs(180);

/// A slice that waits for its turn, or has its turn.
pub(crate) struct Running {
    process: Child,
    pidfd: OwnedFd,
    turns: ChildStdin,
    /// `None` once the slice has closed it.
    stdout: Option<ChildStdout>,
    /// What the slice has written, except its requests for turns.
    written: Vec<u8>,
    patience: Duration,
}

/// How a slice's turn has ended.
pub(crate) enum Turned {
    /// The slice waits for its next turn.
    Waits(Running),
    Ended(Outcome),
}

/// The next event of a slice.
enum Event {
    Wrote,
    Exited,
    Nothing,
}

impl Running {
    /// Starts a slice, and waits until it waits for its turn or exits.
    pub(crate) fn start(command: Command) -> anyhow::Result<Turned> {
        Running::spawn(command, LONGEST)?.await_turn()
    }

    fn spawn(mut command: Command, patience: Duration) -> anyhow::Result<Self> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let turns = process.stdin.take().context("no pipe to its input")?;
        let stdout = process.stdout.take();
        Ok(Running {
            pidfd: pidfd_open(Pid::from_child(&process), PidfdFlags::empty())?,
            process,
            turns,
            stdout,
            written: Vec::new(),
            patience,
        })
    }

    /// Gives the slice its turn, and waits for the end of the turn.
    pub(crate) fn take_turn(mut self) -> anyhow::Result<Turned> {
        match self.turns.write_all(&[GO]) {
            Ok(()) => {}
            // The slice has exited, which is the next event.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) => return Err(error.into()),
        }
        self.await_turn()
    }

    /// Waits until the slice waits for its turn or exits. Kills it at the deadline.
    fn await_turn(mut self) -> anyhow::Result<Turned> {
        let deadline = Instant::now() + self.patience;
        loop {
            if self.written == WAITING {
                self.written.clear();
                return Ok(Turned::Waits(self));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let status = match self.next_event(left)? {
                Event::Wrote => {
                    self.read()?;
                    continue;
                }
                Event::Exited => self.process.wait()?.to_string(),
                Event::Nothing => format!("no answer within {:?}", self.patience),
            };
            return Ok(Turned::Ended(self.end(&status)?));
        }
    }

    fn next_event(&self, within: Duration) -> anyhow::Result<Event> {
        let limit = Timespec::try_from(within)?;
        let mut fds = vec![PollFd::new(&self.pidfd, PollFlags::IN)];
        fds.extend(
            self.stdout
                .iter()
                .map(|stdout| PollFd::new(stdout, PollFlags::IN)),
        );
        Ok(match retry_on_intr(|| poll(&mut fds, Some(&limit)))? {
            0 => Event::Nothing,
            // The output of the slice can still be read.
            _ if !fds[0].revents().is_empty() => Event::Exited,
            _ => Event::Wrote,
        })
    }

    fn read(&mut self) -> io::Result<()> {
        let Some(stdout) = &mut self.stdout else {
            return Ok(());
        };
        let mut some = [0; 4096];
        match stdout.read(&mut some)? {
            0 => self.stdout = None,
            count => self.written.extend_from_slice(&some[..count]),
        }
        Ok(())
    }

    /// Kills the rest of the slice. Returns its outcome, the last line that it has written.
    ///
    /// The slice's children may outlive it and hold its outputs open. They are killed first,
    /// and then the outputs are read to their ends. A pipe has room for a slice's output.
    fn end(mut self, status: &str) -> anyhow::Result<Outcome> {
        let outputs = (self.stdout.take(), self.process.stderr.take());
        let mut line = mem::take(&mut self.written);
        drop(self);
        let mut said = String::new();
        if let Some(mut stdout) = outputs.0 {
            stdout.read_to_end(&mut line)?;
        }
        if let Some(mut stderr) = outputs.1 {
            stderr.read_to_string(&mut said)?;
        }
        Ok(serde_json::from_slice(&line).unwrap_or_else(|_| {
            let mut lines = said.lines().filter(|line| !line.trim().is_empty());
            // The first two lines of a panic are its place and its message.
            let first = [lines.next(), lines.next()].map(Option::unwrap_or_default);
            let failure = format!("{status}: {}", first.join(" "));
            Outcome::Failed(failure.trim_end_matches([':', ' ']).to_owned())
        }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.process);
        // An error means that the process was reaped before.
        let _ = self.process.kill();
        let _ = self.process.wait();
        end_group(group);
    }
}

/// Kills the children that a killed slice has left. Each of them holds the gate open, and
/// therefore they would wait forever. The next slice needs their pids.
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
    use crate::measuring::outcome::single;

    const OUTCOME: &str = r#"echo '{"Measured":{"latency":[1.0]}}'"#;
    const PATIENCE: Duration = Duration::from_secs(60);

    fn shell(script: &str, patience: Duration) -> Running {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        Running::spawn(shell, patience).unwrap()
    }

    fn waits(turned: Turned) -> Running {
        match turned {
            Turned::Waits(running) => running,
            Turned::Ended(outcome) => panic!("it has ended: {outcome:?}"),
        }
    }

    fn ended(turned: Turned) -> Outcome {
        match turned {
            Turned::Waits(_) => panic!("it waits"),
            Turned::Ended(outcome) => outcome,
        }
    }

    fn measured() -> Outcome {
        Outcome::Measured(single([("latency", 1.0)]))
    }

    fn is_gone(process: &str) -> bool {
        match std::fs::read_to_string(format!("/proc/{process}/stat")) {
            Err(_) => true,
            Ok(stat) => stat.contains(") Z "),
        }
    }

    #[test]
    fn a_slice_that_asks_for_no_turn_has_the_outcome_that_it_wrote() {
        let slice = shell(OUTCOME, PATIENCE);
        assert_eq!(ended(slice.await_turn().unwrap()), measured());
    }

    #[test]
    fn a_slice_works_when_it_is_given_its_turn() {
        let turn = "echo waiting; head -c 1 > /dev/null";
        let slice = shell(&format!("{turn}; {turn}; {OUTCOME}"), PATIENCE);
        let slice = waits(slice.await_turn().unwrap());
        let slice = waits(slice.take_turn().unwrap());
        assert_eq!(ended(slice.take_turn().unwrap()), measured());
    }

    #[test]
    fn a_slice_that_dies_in_its_turn_has_failed_with_what_it_said() {
        let script = "echo waiting; head -c 1 > /dev/null; echo lost >&2; echo one >&2; exit 3";
        let slice = waits(shell(script, PATIENCE).await_turn().unwrap());
        let failed = Outcome::Failed("exit status: 3: lost one".to_owned());
        assert_eq!(ended(slice.take_turn().unwrap()), failed);
    }

    #[test]
    fn a_slice_that_dies_while_it_waits_has_failed_too() {
        let slice = waits(
            shell("echo waiting; exec cat", PATIENCE)
                .await_turn()
                .unwrap(),
        );
        let process = Pid::from_child(&slice.process);
        rustix::process::kill_process(process, Signal::KILL).unwrap();
        let failed = Outcome::Failed("signal: 9 (SIGKILL)".to_owned());
        assert_eq!(ended(slice.take_turn().unwrap()), failed);
    }

    #[test]
    fn a_slice_that_hangs_is_ended_and_has_failed() {
        // It holds its output open, and its child does too.
        let slice = shell("sleep 1000 & cat", Duration::from_millis(50));
        let process = Pid::from_child(&slice.process).to_string();
        let failed = Outcome::Failed("no answer within 50ms".to_owned());
        assert_eq!(ended(slice.await_turn().unwrap()), failed);
        assert!(is_gone(&process));
    }

    #[test]
    fn a_slice_without_an_output_is_waited_for_all_the_same() {
        let slice = shell("exec >&-; head -c 1 > /dev/null; exit 4", PATIENCE);
        let failed = Outcome::Failed("exit status: 4".to_owned());
        assert_eq!(ended(slice.take_turn().unwrap()), failed);
    }

    #[test]
    fn what_outlives_a_slice_is_ended_and_not_waited_for() {
        // It holds both outputs open.
        let slice = shell("sleep 1000 & echo $! >&2", PATIENCE);
        let Outcome::Failed(failure) = ended(slice.await_turn().unwrap()) else {
            panic!("it has written no outcome");
        };
        let (status, left) = failure.rsplit_once(": ").unwrap();
        assert_eq!(status, "exit status: 0");
        assert!(is_gone(left));
    }

    #[test]
    fn a_slice_that_nobody_listens_to_any_more_is_ended() {
        let slice = shell("sleep 1000 & cat", PATIENCE);
        let process = Pid::from_child(&slice.process).to_string();
        drop(slice);
        assert!(is_gone(&process));
    }
}
