//! The `deployment` example as its user sees it.

#![expect(unsafe_code, reason = "`signal`, between fork and exec")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not their helpers"
)]

use std::env;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const BACKENDS: [&str; 3] = ["pidfd", "sigchld", "fallback"];

/// Runs a command that exits at the end of its input. The input ends once the example watches the
/// command. Returns the example's code and its output.
fn run(program: &mut Command, backend: &str) -> (Option<i32>, String) {
    program.args(["--backend", backend, "sh", "-c", "read line; exit 3"]);
    let piped = program.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut said = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    while output.read_line(&mut said).unwrap() > 0 {
        if said.contains("\nwatching ") {
            child.stdin = None;
        }
    }
    (child.wait().unwrap().code(), said)
}

#[test]
fn the_commands_code_is_passed_on() {
    for backend in BACKENDS {
        let (code, said) = run(&mut Command::new(example()), backend);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.ends_with(": exit status: 3\n"), "{said}");
    }
}

/// The kernel then reaps the command, so `waitpid` finds nothing.
#[test]
fn the_commands_code_is_passed_on_where_sigchld_is_ignored() {
    for backend in BACKENDS {
        let mut program = ignoring_sigchld(Command::new(example()));
        let (code, said) = run(&mut program, backend);
        // Before Linux 6.15 a pidfd does not return the status of a reaped child.
        let is_known = said.ends_with(": exit status: 3\n");
        assert_eq!(code, Some(if is_known { 3 } else { 1 }), "{said}");
        assert!(is_known || backend != "sigchld", "{said}");
    }
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

/// `target/<profile>/examples/deployment`, seen from `target/<profile>/deps/<this test>`.
fn example() -> PathBuf {
    let this = env::current_exe().unwrap();
    let profile = this.ancestors().nth(2).unwrap();
    let example = profile.join("examples/deployment");
    assert!(
        example.is_file(),
        "{} is not there: build it with `cargo build -p childwatch-pidfd --features sigchld --example deployment`",
        example.display()
    );
    example
}
