//! The `watch` example as its user sees it.

#![expect(unsafe_code, reason = "`signal`, between fork and exec")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not their helpers"
)]

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::str;

/// Greater than every pid: `PID_MAX_LIMIT` is 2^22.
const NO_PID: &str = "2147483647";

#[test]
fn the_commands_code_is_passed_on() {
    let output = watch(&["--", "sh", "-c", "exit 3"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(stderr(&output), "");
    let [subject, news] = &lines(&output)[..] else {
        panic!("{output:?}");
    };
    let subject = subject
        .strip_prefix("watching ")
        .and_then(|line| line.strip_suffix(" by pidfd"))
        .unwrap();
    assert!(subject.ends_with(" (sh)"), "{subject}");
    assert_news(news, subject, "exit status: 3");
}

#[test]
fn a_killed_commands_code_is_128_and_the_signals_number() {
    let output = watch(&["--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(output.status.code(), Some(128 + libc::SIGTERM));
    let news = &lines(&output)[1];
    assert!(news.contains(": signal: 15 (SIGTERM), watched"), "{news}");
}

/// The kernel then reaps the command, so `waitpid` finds nothing.
#[test]
fn the_commands_code_is_passed_on_where_sigchld_is_ignored() {
    let mut command = ignoring_sigchld(Command::new(example()));
    command.args(["--", "sh", "-c", "read line; exit 3"]);
    let mut watching = Watching::start_as(command.stdin(Stdio::piped()));
    let watched = watching.line();
    assert!(watched.starts_with("watching process "), "{watched}");
    // Once the command is watched, its input ends, and then the command exits.
    watching.child.stdin = None;
    let news = watching.line();
    // Before Linux 6.15 a pidfd does not return the status of a reaped child.
    let code = if news.contains(": status unknown, ") {
        1
    } else {
        3
    };
    assert_eq!(watching.code(), Some(code), "{news}");
}

#[test]
fn the_commands_arguments_are_passed_as_they_are() {
    for separator in [&["--"][..], &[]] {
        let words = ["printf", "<%s>\n", "--pid", "x", "--", "-h"];
        let output = watch(&[separator, &words].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(stdout.contains("<--pid>\n<x>\n<-->\n<-h>\n"), "{stdout}");
    }
}

#[test]
fn a_command_that_does_not_exist_is_127() {
    let output = watch(&["no-such-command"]);
    assert_refused(
        &output,
        127,
        r#"cannot start "no-such-command": No such file"#,
    );
}

#[test]
fn a_command_that_cannot_be_executed_is_126() {
    let output = watch(&["/"]);
    assert_refused(&output, 126, r#"cannot start "/": Permission denied"#);
}

#[test]
fn text_that_is_no_pid_is_2() {
    for text in ["12x", "0", "-1", "4294967296", ""] {
        let output = watch(&["--pid", text]);
        let message = format!("{text:?} is not a process id: it must be a positive number");
        assert_refused(&output, 2, &message);
    }
}

#[test]
fn nothing_to_watch_is_2() {
    assert_refused(&watch(&[]), 2, "nothing to watch: give a command");
}

#[test]
fn an_unknown_option_is_2() {
    let output = watch(&["--pids", "1", "true"]);
    assert_refused(&output, 2, "unexpected argument '--pids'");
}

#[test]
fn a_pid_without_a_process_is_1_and_the_command_is_not_started() {
    let message = format!("no process has the pid {NO_PID}");
    assert_refused(&watch(&["--pid", NO_PID]), 1, &message);
    let output = watch(&["--pid", NO_PID, "--", "echo", "started"]);
    assert_refused(&output, 1, &message);
}

#[test]
fn a_watcher_that_cannot_be_made_is_1() {
    let script = format!("ulimit -n 4; exec {} true", example().display());
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_refused(&output, 1, "raise RLIMIT_NOFILE");
}

#[test]
fn a_running_process_is_told_when_it_exits() {
    let mut cat = Cat::start();
    let mut watching = Watching::start(&["--pid", &cat.pid()]);
    let subject = format!("process {}", cat.pid());
    assert_eq!(watching.line(), format!("watching {subject} by pidfd"));
    cat.end();
    // The process has not been reaped, and it is not the example's own child.
    assert_news(&watching.line(), &subject, "status unknown");
    assert_eq!(watching.code(), Some(0));
}

#[test]
fn a_running_process_and_a_command_are_told_as_each_exits() {
    let mut cat = Cat::start();
    let mut watching = Watching::start(&["--pid", &cat.pid(), "--", "sh", "-c", "exit 3"]);
    let subject = format!("process {}", cat.pid());
    let first = watching.line();
    assert!(first.starts_with(&format!("watching {subject}, process ")));
    assert!(watching.line().contains(" (sh): exit status: 3, "));
    cat.end();
    assert_news(&watching.line(), &subject, "status unknown");
    assert_eq!(watching.code(), Some(3));
}

fn assert_news(line: &str, subject: &str, end: &str) {
    let seconds = line
        .strip_prefix(&format!("{subject}: {end}, watched for "))
        .and_then(|rest| rest.strip_suffix(" s by pidfd"));
    let seconds = seconds.unwrap_or_else(|| panic!("{line}"));
    assert!(seconds.parse::<f64>().is_ok(), "{line}");
}

/// One line on standard error, and nothing was started.
fn assert_refused(output: &Output, code: i32, message: &str) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let stderr = stderr(output);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("watch: "), "{stderr}");
    assert!(stderr.contains(message), "{stderr}");
}

fn watch(arguments: &[&str]) -> Output {
    Command::new(example()).args(arguments).output().unwrap()
}

/// Makes `command` start with `SIGCHLD` ignored, as some shells and supervisors start programs.
fn ignoring_sigchld(mut command: Command) -> Command {
    // SAFETY: `signal` is async-signal-safe, and takes plain values.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            Ok(())
        });
    }
    command
}

fn lines(output: &Output) -> Vec<String> {
    let stdout = str::from_utf8(&output.stdout).unwrap();
    stdout.lines().map(str::to_owned).collect()
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

/// `target/<profile>/examples/watch`, seen from `target/<profile>/deps/<this test>`.
fn example() -> PathBuf {
    let this = env::current_exe().unwrap();
    let profile = this.ancestors().nth(2).unwrap();
    let example = profile.join("examples/watch");
    assert!(
        example.is_file(),
        "{} is not there: build it with `cargo build -p childwatch-pidfd --example watch`",
        example.display()
    );
    example
}

/// The running example. It is killed and reaped when dropped.
struct Watching {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Watching {
    fn start(arguments: &[&str]) -> Self {
        Self::start_as(Command::new(example()).args(arguments))
    }

    fn start_as(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Watching { child, stdout }
    }

    /// Waits for the next line, and returns it.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Waits until the example exits without printing more, and returns its code.
    fn code(mut self) -> Option<i32> {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that lasts until its input ends. It is killed and reaped when dropped.
struct Cat {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Cat {
    fn start() -> Self {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        Cat { child, stdin }
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Lets it exit, without reaping it.
    fn end(&mut self) {
        self.stdin = None;
    }
}

impl Drop for Cat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
