//! Starts a command, or takes processes that are already running, and prints each exit.
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
use childwatch_pidfd::{Exit, Pid, PidWatcher, PidWatcherExt, PidfdWatcher};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

const BACKEND: &str = "pidfd";

/// Prints the exit of a command, and of processes that are already running.
///
/// It exits when all of them have exited: with the command's own code, with 128+N if
/// signal N has killed the command, and with 0 without a command. It exits with 127 if
/// there is no such program, and with 126 if the program cannot be executed. It exits with
/// 2 after wrong usage, and with 1 if anything else fails.
#[derive(Parser)]
#[command(name = "watch")]
struct Args {
    /// A process that is already running; may be given several times
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

/// From here on any backend fits.
fn watch(watcher: &dyn PidWatcher, args: &Args) -> anyhow::Result<u8> {
    let (sender, receiver) = mpsc::channel();
    // This comes before the command starts, so that a refused pid leaves no command behind.
    let pids: BTreeSet<Pid> = args.pids.iter().copied().collect();
    let mut subjects: Vec<_> = pids.into_iter().map(Subject::running).collect();
    for subject in subjects.iter().cloned() {
        watcher.on_exit(subject.pid, sends(&sender, move |_pid| subject))?;
    }
    let started = match args.command.split_first() {
        Some((program, arguments)) => Some(Started::start(watcher, program, arguments, &sender)?),
        None => None,
    };
    subjects.extend(started.as_ref().map(|started| started.subject.clone()));
    // The callbacks own the other senders, so the channel closes after the last callback.
    drop(sender);
    let exits = print(&subjects, receiver).context("cannot print")?;
    started.map_or(Ok(0), |started| {
        let exit = exits.get(&started.subject.pid).copied();
        started.reap(exit.and_then(Exit::status)).map(shell_code)
    })
}

/// Returns the callback that sends the exit of the subject with its pid.
fn sends(
    sender: &Sender<News>,
    subject: impl FnOnce(Pid) -> Subject + Send + 'static,
) -> impl FnOnce(Exit) + Send + 'static {
    let sender = sender.clone();
    move |exit| {
        let subject = subject(exit.pid());
        let watched_for = subject.since.elapsed();
        // The receiver is gone only if `watch` has failed.
        let _ = sender.send(News {
            subject,
            exit,
            watched_for,
        });
    }
}

/// Prints each exit until all processes have exited, and returns the exits.
fn print(subjects: &[Subject], receiver: Receiver<News>) -> io::Result<BTreeMap<Pid, Exit>> {
    let names: Vec<_> = subjects.iter().map(Subject::to_string).collect();
    say(format_args!("watching {} by {BACKEND}", names.join(", ")))?;
    let mut exits = BTreeMap::new();
    for news in receiver {
        say(format_args!("{news} by {BACKEND}"))?;
        exits.insert(news.exit.pid(), news.exit);
    }
    Ok(exits)
}

/// Prints a line. A closed pipe is no error: the exits still decide the code.
fn say(line: fmt::Arguments<'_>) -> io::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// A watched process, under the name that the user knows.
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

/// The command's process. It is killed and reaped when this value is dropped, so no error leaves it
/// running.
struct Started {
    subject: Subject,
    child: Child,
}

impl Started {
    fn start(
        watcher: &dyn PidWatcher,
        program: &OsStr,
        arguments: &[OsString],
        sender: &Sender<News>,
    ) -> Result<Self, CannotStart> {
        let since = Instant::now();
        let name = program.to_owned();
        let subject = move |pid| Subject {
            pid,
            program: Some(name),
            since,
        };
        let spawned = watcher.spawn_watched(
            Command::new(program).args(arguments),
            sends(sender, subject.clone()),
        );
        let (child, _handle) = spawned.map_err(|source| CannotStart {
            program: program.to_owned(),
            source,
        })?;
        let subject = subject(Pid::from(&child));
        Ok(Started { subject, child })
    }

    /// Reaps the command, and returns its status. If this program was started with `SIGCHLD`
    /// ignored, there is nothing to reap. Then the watcher's report has the status.
    fn reap(mut self, reported: Option<ExitStatus>) -> anyhow::Result<ExitStatus> {
        let reaped = self.child.wait().or_else(|error| reported.ok_or(error));
        reaped.with_context(|| format!("cannot reap {}", self.subject))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // The command is killed only if it is certainly still ours. If SIGCHLD is ignored, the
        // kernel reaps it, and its pid may belong to another process.
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

/// clap's first line says what is wrong. The rest of its text is in `--help` too.
fn explain_usage(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        error.exit(); // This is --help, and no error.
    }
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    eprintln!("watch: {}", line.trim_start_matches("error: "));
    2
}

/// The code of a shell that cannot start a program, or 1 for any other error.
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

/// The code of a shell whose program has exited.
fn shell_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok())
        .expect("a reaped child has a code below 256 or a signal below 65")
}
