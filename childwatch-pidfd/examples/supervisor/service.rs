//! One service: its process, and what happens to it next.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use childwatch_core::{Exit, Pid, PidWatcher, ResourceUsage};
use rustix::process::{Signal, kill_process_group};

use crate::config::{Restart, Settings};
use crate::exits::Exits;

pub(crate) struct Service {
    pub(crate) settings: Settings,
    pub(crate) state: State,
    pub(crate) restarts: u32,
    pub(crate) last_exit: Option<String>,
    pub(crate) last_usage: Option<ResourceUsage>,
    /// The pause before the next restart.
    backoff: Duration,
}

pub(crate) enum State {
    /// It is started then.
    Waiting {
        until: Instant,
    },
    Running(Process),
    /// It has been asked to stop, and is killed then. `None` if it has been killed.
    Stopping {
        process: Process,
        until: Option<Instant>,
    },
    /// It is not started any more.
    Ended {
        failed: bool,
    },
}

pub(crate) struct Process {
    child: Child,
    pub(crate) pid: Pid,
    pub(crate) since: Instant,
}

impl Service {
    pub(crate) fn new(settings: Settings, now: Instant) -> Self {
        Service {
            backoff: settings.backoff,
            settings,
            state: State::Waiting { until: now },
            restarts: 0,
            last_exit: None,
            last_usage: None,
        }
    }

    /// Starts the process. Returns what has happened.
    pub(crate) fn start(&mut self, index: usize, exits: &Exits, now: Instant) -> String {
        match self.spawn(index, exits) {
            Ok(child) => {
                let pid = Pid::from(&child);
                let since = now;
                self.state = State::Running(Process { child, pid, since });
                format!("started as process {pid}")
            }
            Err(error) => {
                let failure = format!("cannot be started: {error}");
                self.last_exit = Some(failure.clone());
                format!("{failure}{}", self.after(false, now))
            }
        }
    }

    fn spawn(&self, index: usize, exits: &Exits) -> io::Result<Child> {
        let output = || match &self.settings.log {
            Some(path) => Ok(Stdio::from(
                File::options().create(true).append(true).open(path)?,
            )),
            None => io::Result::Ok(Stdio::null()),
        };
        let mut command = Command::new(&self.settings.program);
        command
            .args(&self.settings.arguments)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output()?)
            .stderr(output()?);
        die_with_the_supervisor(&mut command);
        exits.spawn(index, &mut command)
    }

    /// The process has exited. Kills the rest of its group, reaps it, and decides what is next.
    /// Returns what has happened.
    pub(crate) fn exited(&mut self, exit: Exit, now: Instant) -> String {
        let ended = State::Ended { failed: false };
        let (process, is_stopping) = match std::mem::replace(&mut self.state, ended) {
            State::Running(process) => (process, false),
            State::Stopping { process, .. } => (process, true),
            other => {
                self.state = other;
                return "has exited twice".to_owned();
            }
        };
        // Before the reaping, so that no other group can have this number.
        kill_group(process.pid);
        let mut child = process.child;
        let status = exit.status().map(Ok).unwrap_or_else(|| child.wait());
        // Now it is a zombie at most, so this does not block.
        let _ = child.wait();
        let lived = now.duration_since(process.since);
        let text = match &status {
            Ok(status) => status.to_string(),
            Err(_) => "exited, status unknown".to_owned(),
        };
        self.last_exit = Some(text.clone());
        self.last_usage = exit.resource_usage();
        if lived >= self.settings.backoff_max {
            self.backoff = self.settings.backoff;
        }
        let used = self.last_usage.map_or_else(String::new, |usage| {
            let time = usage.processor_time().as_secs_f64();
            let memory = usage.max_resident / 1024;
            format!(", {time:.2} s of processor time, {memory} KiB")
        });
        let seconds = lived.as_secs_f64();
        let next = if is_stopping {
            String::new()
        } else {
            self.after(status.is_ok_and(|status| status.success()), now)
        };
        format!("{text} after {seconds:.1} s{used}{next}")
    }

    /// Decides what comes after an end that was not asked for. Says so.
    fn after(&mut self, succeeded: bool, now: Instant) -> String {
        let restarts = match self.settings.restart {
            Restart::Always => true,
            Restart::OnFailure => !succeeded,
            Restart::Never => false,
        };
        if !restarts {
            let failed = !succeeded;
            self.state = State::Ended { failed };
            return String::new();
        }
        let pause = self.backoff;
        self.backoff = (self.backoff * 2).min(self.settings.backoff_max);
        self.restarts = self.restarts.saturating_add(1);
        self.state = State::Waiting { until: now + pause };
        format!("; restarts in {:.1} s", pause.as_secs_f64())
    }

    /// Asks the service to stop. Returns what has happened, or `None` if nothing has.
    pub(crate) fn stop(&mut self, watcher: &dyn PidWatcher, now: Instant) -> Option<String> {
        let ended = State::Ended { failed: false };
        match std::mem::replace(&mut self.state, ended) {
            State::Running(process) => {
                // If it has just exited, its exit comes next.
                let _ = watcher.send_signal(process.pid, libc::SIGTERM);
                let until = Some(now + self.settings.stop_timeout);
                self.state = State::Stopping { process, until };
                Some("asked to stop".to_owned())
            }
            State::Waiting { .. } => Some("is not restarted".to_owned()),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Kills the process with its group. Its exit comes next.
    pub(crate) fn kill(&mut self) -> Option<String> {
        match &mut self.state {
            State::Running(process) => kill_group(process.pid),
            State::Stopping { process, until } => {
                kill_group(process.pid);
                *until = None;
            }
            State::Waiting { .. } | State::Ended { .. } => return None,
        }
        Some("killed".to_owned())
    }

    /// Returns when this service wants to be looked at.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } => Some(until),
            State::Stopping { until, .. } => until,
            State::Running(_) | State::Ended { .. } => None,
        }
    }
}

/// The process is not reaped, so the number of the group is its own.
fn kill_group(leader: Pid) {
    if let Some(group) = rustix::process::Pid::from_raw(leader.as_raw()) {
        // A group without processes is fine.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// The signal comes when the thread that starts the service ends: the supervisor's first.
#[expect(unsafe_code, reason = "`prctl`, between fork and exec")]
fn die_with_the_supervisor(command: &mut Command) {
    let supervisor = rustix::process::getpid();
    let attach = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // The supervisor may have ended before the call.
        if rustix::process::getppid() != Some(supervisor) {
            return Err(io::Error::other("the supervisor has ended"));
        }
        Ok(())
    };
    // SAFETY: the closure makes two system calls, and allocates only if the supervisor has ended.
    unsafe { command.pre_exec(attach) };
}
