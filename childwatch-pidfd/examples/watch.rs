//! Starts a command, or takes processes that run already, and tells of each exit.
//!
//! ```text
//! cargo run -p childwatch-pidfd --example watch -- sh -c 'sleep 1; exit 3'
//! cargo run -p childwatch-pidfd --example watch -- --pid 4242 --pid 4243
//! ```

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::Context;
use childwatch_pidfd::{Exit, Pid, PidWatcher, PidWatcherExt, PidfdWatcher, WatchError};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

const BACKEND: &str = "pidfd";

/// Tells of the exit of a command, and of processes that run already.
///
/// It ends when all have exited, with the command's own code, or 128+N when signal
/// N has killed it; with 0 when there is no command. It ends with 127 when there is
/// no such program, 126 when it cannot be executed, 2 after wrong usage, and 1 when
/// anything else fails.
#[derive(Parser)]
#[command(name = "watch")]
struct Args {
    /// A process that runs already; may be given several times
    #[arg(long = "pid", value_name = "PID", allow_negative_numbers = true)]
    pids: Vec<Pid>,

    /// The program to start and watch, and its arguments, passed on as they are
    #[arg(trailing_var_arg = true)]
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    let code = match parse() {
        Ok(args) => run(&args).unwrap_or_else(|error| {
            eprintln!("watch: {error:#}");
            code_of_failure(&error)
        }),
        Err(error) => explain_usage(&error),
    };
    ExitCode::from(code)
}

fn run(args: &Args) -> anyhow::Result<u8> {
    let watcher = PidfdWatcher::new()?;
    watch(&watcher, args)
}

/// From here on any backend would do.
fn watch(watcher: &dyn PidWatcher, args: &Args) -> anyhow::Result<u8> {
    let (sender, receiver) = mpsc::channel();
    // Before the command starts: a refused pid leaves no command behind.
    let pids: BTreeSet<Pid> = args.pids.iter().copied().collect();
    let mut subjects: Vec<_> = pids.into_iter().map(Subject::running).collect();
    for subject in &subjects {
        send_exit(watcher, subject, &sender)?;
    }
    let started = match args.command.split_first() {
        Some((program, arguments)) => Some(Started::start(watcher, program, arguments)?),
        None => None,
    };
    if let Some(Started { subject, .. }) = &started {
        send_exit(watcher, subject, &sender)?;
        subjects.push(subject.clone());
    }
    // The callbacks own the other senders, so the last callback ends the news.
    drop(sender);
    let exits = print(&subjects, receiver).context("cannot print")?;
    started.map_or(Ok(0), |started| {
        let exit = exits.get(&started.subject.pid).copied();
        started.reap(exit.and_then(Exit::status)).map(shell_code)
    })
}

fn send_exit(
    watcher: &dyn PidWatcher,
    subject: &Subject,
    sender: &Sender<News>,
) -> Result<(), WatchError> {
    let subject = subject.clone();
    let sender = sender.clone();
    watcher.on_exit(subject.pid, move |exit| {
        let watched_for = subject.since.elapsed();
        // The receiver is gone only when `watch` has failed.
        let _ = sender.send(News {
            subject,
            exit,
            watched_for,
        });
    })?;
    Ok(())
}

/// Prints what happens until all have exited, and returns the exits.
fn print(subjects: &[Subject], receiver: Receiver<News>) -> io::Result<BTreeMap<Pid, Exit>> {
    let mut out = io::stdout().lock();
    let names: Vec<_> = subjects.iter().map(Subject::to_string).collect();
    writeln!(out, "watching {} by {BACKEND}", names.join(", "))?;
    let mut exits = BTreeMap::new();
    for news in receiver {
        writeln!(out, "{news} by {BACKEND}")?;
        exits.insert(news.exit.pid(), news.exit);
    }
    Ok(exits)
}

/// A watched process, as the user knows it.
#[derive(Clone)]
struct Subject {
    pid: Pid,
    program: Option<OsString>,
    since: Instant,
}

impl Subject {
    fn running(pid: Pid) -> Self {
        Subject {
            pid,
            program: None,
            since: Instant::now(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        match &self.program {
            Some(program) => write!(f, " ({})", Path::new(program).display()),
            None => Ok(()),
        }
    }
}

struct News {
    subject: Subject,
    exit: Exit,
    watched_for: Duration,
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.subject)?;
        match self.exit.status() {
            Some(status) => write!(f, "{status}")?,
            None => write!(f, "status unknown")?,
        }
        write!(f, ", watched for {:.3} s", self.watched_for.as_secs_f64())
    }
}

/// The command's process, which no error leaves running: it is killed and reaped
/// when this is dropped.
struct Started {
    subject: Subject,
    child: Child,
}

impl Started {
    fn start(
        watcher: &dyn PidWatcher,
        program: &OsStr,
        arguments: &[OsString],
    ) -> Result<Self, CannotStart> {
        let since = Instant::now();
        let child = watcher
            .spawn_watchable(Command::new(program).args(arguments))
            .map_err(|source| CannotStart {
                program: program.to_owned(),
                source,
            })?;
        let subject = Subject {
            pid: Pid::from(&child),
            program: Some(program.to_owned()),
            since,
        };
        Ok(Started { subject, child })
    }

    /// Reaps the command. If there is nothing to reap, because this program was started
    /// with `SIGCHLD` ignored, the status is the one that the watcher has told.
    fn reap(mut self, reported: Option<ExitStatus>) -> anyhow::Result<ExitStatus> {
        let reaped = self.child.wait().or_else(|error| reported.ok_or(error));
        reaped.with_context(|| format!("cannot reap {}", self.subject))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Only what is surely still ours: where SIGCHLD is ignored the kernel reaps,
        // and the number may be another process's.
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot start {program:?}")]
struct CannotStart {
    program: OsString,
    source: io::Error,
}

fn parse() -> Result<Args, clap::Error> {
    let args = Args::try_parse()?;
    if args.pids.is_empty() && args.command.is_empty() {
        let message = "nothing to watch: give a command, or --pid, or both";
        return Err(Args::command().error(ErrorKind::MissingRequiredArgument, message));
    }
    Ok(args)
}

/// clap's first line says what is wrong; what follows it is in `--help`.
fn explain_usage(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        error.exit(); // It is no error but --help.
    }
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    eprintln!("watch: {}", line.trim_start_matches("error: "));
    2
}

/// As a shell has it for a program that it cannot start; 1 for all else.
fn code_of_failure(error: &anyhow::Error) -> u8 {
    let errno = error
        .downcast_ref::<CannotStart>()
        .and_then(|refused| refused.source.raw_os_error());
    match errno {
        Some(libc::ENOENT) => 127,
        Some(libc::EACCES | libc::ENOEXEC | libc::ENOTDIR) => 126,
        _ => 1,
    }
}

/// As a shell has it for a program that has ended.
fn shell_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok())
        .expect("a reaped child has a code below 256 or a signal below 65")
}
