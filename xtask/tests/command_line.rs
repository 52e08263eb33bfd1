//! The command line answers a slip with what is allowed, in few words, and a closed pipe with
//! silence.

#![forbid(unsafe_code)]

use std::process::{Command, Output, Stdio};

/// The exit code of a program whose output nobody reads any more.
const NOBODY_READS: i32 = 141;

fn xtask(args: &[&str]) -> Command {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.args(args);
    xtask
}

fn output(args: &[&str]) -> Output {
    xtask(args).output().expect("xtask")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the writing end of a pipe whose reader has ended.
fn closed_pipe() -> Stdio {
    let mut reader = Command::new("true");
    let mut reader = reader.stdin(Stdio::piped()).spawn().expect("true");
    let end = reader.stdin.take().expect("a pipe");
    reader.wait().expect("true ends");
    end.into()
}

#[test]
fn a_closed_pipe_ends_a_command_quietly() {
    let one_case = [
        "--backend",
        "simulated",
        "--case",
        "each_callback_runs_once",
    ];
    let report = [&["conformance"], &one_case[..]].concat();
    let page = [&report[..], &["--format", "html"]].concat();
    for args in [
        &report[..],
        &page[..],
        &["conformance", "--list"],
        &["probe"],
        &["probe", "--format", "json"],
        &[
            "soak",
            "--minutes",
            "0.01",
            "--backend",
            "pidfd",
            "--children",
            "10",
        ],
        &["faults", "--backend", "pidfd", "--syscall", "epoll_create1"],
    ] {
        let output = xtask(args).stdout(closed_pipe()).output().expect("xtask");
        let errors = text(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(NOBODY_READS),
            "{args:?}: {errors}"
        );
        assert!(
            !errors.contains("panic") && !errors.contains("error"),
            "{args:?}: {errors}"
        );
    }
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    for (option, name, nearest) in [
        ("--case", "a_zombi_is_registred", "a_zombie_is_registered"),
        ("--host", "signalfd-raeder", "signalfd-reader"),
        ("--backend", "pdifd", "pidfd"),
        ("--sandbox", "no-pidf", "no-pidfd"),
    ] {
        let output = output(&["conformance", option, name]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        let words = format!("is called `{name}`; the nearest: {nearest}");
        assert!(errors.contains(&words), "{errors}");
        assert!(errors.len() < 400, "{errors}");
    }
}

#[test]
fn a_part_of_a_name_says_how_many_names_have_it() {
    let output = output(&["conformance", "--list", "--case", "zombie"]);
    let lines = text(&output.stdout).lines().count();
    assert!(lines > 1);
    let note = format!("--case zombie matches {lines} cases\n");
    assert_eq!(text(&output.stderr), note);
}

#[test]
fn a_number_that_is_not_allowed_is_answered_with_those_that_are() {
    for (args, words) in [
        (
            ["conformance", "--repeat", "0"],
            "a whole number from 1 to 1000000",
        ),
        (
            ["conformance", "--jobs", "many"],
            "a whole number from 1 to 10000",
        ),
        (
            ["conformance", "--deadline", "1.5"],
            "a whole number from 1 to 86400",
        ),
        (
            ["faults", "--deadline", "0"],
            "a whole number from 1 to 86400",
        ),
        (["soak", "--threads", "0"], "a whole number from 1 to 10000"),
        (["soak", "--minutes", "-1"], "a number of minutes above 0"),
        (
            ["bench", "--rounds", "0"],
            "a whole number from 1 to 1000000",
        ),
    ] {
        let output = output(&[args[0], &format!("{}={}", args[1], args[2])]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(
            errors.contains(args[1]) && errors.contains(words),
            "{errors}"
        );
    }
}

#[test]
fn the_bench_answers_help_without_being_built() {
    for args in [&["bench", "--help"][..], &["bench", "scale", "--help"]] {
        let output = xtask(args).env("PATH", "").output().expect("xtask");
        let help = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        for option in ["--quick", "--only", "--raise-pid-max", "--format", "--docs"] {
            assert!(help.contains(option), "{help}");
        }
    }
}
