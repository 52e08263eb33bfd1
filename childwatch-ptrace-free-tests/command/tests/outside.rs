//! A backend of somebody else has the whole command: repeats, sandboxes, hosts, formats, and one
//! case by hand.

#![forbid(unsafe_code)]

use std::env;
use std::process::{Command, Output};

/// Runs the example `polling_backend`, which `cargo test` builds too.
fn command(args: &[&str]) -> Output {
    let mut example = env::current_exe().expect("this test");
    // From `deps`, where tests are, to `examples` beside it.
    example.pop();
    example.pop();
    example.push("examples/polling_backend");
    let output = Command::new(example).args(args).output();
    output.expect("the example")
}

/// Returns the standard output of a run in which nothing fails.
fn passed(args: &[&str]) -> String {
    let output = command(args);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (shown, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{args:?}: {shown}\n{errors}");
    shown
}

const CASE: [&str; 2] = ["--case", "a_zombie_is_registered"];

#[test]
fn each_repeat_of_a_case_and_a_host_is_reported() {
    let args = [
        &CASE[..],
        &["--host", "plain", "--repeat", "2", "--format", "json"],
    ]
    .concat();
    let shown = passed(&args);
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 4, "{shown}");
    for (name, repeat) in [(CASE[1], 1), (CASE[1], 2), ("plain", 1), ("plain", 2)] {
        let (name, repeat) = (
            format!("\"case\":\"{name}\""),
            format!("\"repeat\":{repeat}}}"),
        );
        let mut of_it = lines
            .iter()
            .filter(|line| line.contains(&name) && line.ends_with(&repeat));
        let line = of_it
            .next()
            .unwrap_or_else(|| panic!("{name}, {repeat}: {shown}"));
        assert!(line.contains(r#""backend":"polling""#), "{line}");
        assert!(line.contains(r#""outcome":"passed""#), "{line}");
    }
}

#[test]
fn every_format_has_the_backend() {
    for (format, words) in [
        ("text", "┆ polling"),
        ("markdown", "| polling |"),
        ("html", "<th scope=\"col\">polling</th>"),
        ("junit", "<testsuite name=\"polling\""),
    ] {
        let shown = passed(&[&CASE[..], &["--format", format]].concat());
        assert!(shown.contains(words), "{format}: {shown}");
    }
}

#[test]
fn a_sandbox_confines_the_cells() {
    // Where seccomp is not allowed, the command says so.
    let output = command(&[&CASE[..], &["--sandbox", "no-pidfd", "--format", "json"]].concat());
    let shown = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        assert!(
            shown.contains(r#""sandbox":"no-pidfd","outcome":"passed""#),
            "{shown}"
        );
    } else {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            errors.contains("the sandbox no-pidfd is not available"),
            "{errors}"
        );
    }
}

#[test]
fn one_case_runs_by_hand() {
    passed(&["--childwatch-cell", "polling", CASE[1], "30000"]);
}

#[test]
fn what_the_backend_cannot_do_is_shown_with_its_reason() {
    let shown = passed(&[
        "--case",
        "a_process_that_is_no_child",
        "--case",
        "each_poll_finds_a_zombie",
    ]);
    assert!(
        shown.contains("– polling: it watches children only: "),
        "{shown}"
    );
}
