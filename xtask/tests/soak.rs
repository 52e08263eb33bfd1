//! The soak finds what it looks for, and says so.

use std::process::{Command, Output};

/// A short soak of few children.
fn soak(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["soak", "--minutes", "0.02", "--children", "100"])
        .args(["--patience", "1", "--seed", "7"])
        .args(args)
        .output()
        .expect("xtask")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_broken_watcher_is_found() {
    for (broken, words) in [
        ("drops-at-the-exit", "a callback has not run for 1s"),
        ("runs-what-was-taken-out", "a callback ran that was over"),
        ("tells-signals-as-codes", "told of process"),
        ("leaks-an-fd", "Footprint"),
    ] {
        let output = soak(&["--broken", broken]);
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{broken}: {said}");
        let mut faults = said.lines().filter(|line| line.starts_with('✗'));
        let names_it = |line: &str| line.contains(&format!("{broken}, seed 7: "));
        assert!(
            faults.any(|line| names_it(line) && line.contains(words)),
            "{said}"
        );
    }
}

#[test]
fn a_right_watcher_is_not() {
    for place in [None, Some("--plain")] {
        let args: Vec<_> = ["--backend", "pidfd"].into_iter().chain(place).collect();
        let output = soak(&args);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(!said.contains('✗'), "{said}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for args in [
        ["--minutes", "-1"],
        ["--threads", "0"],
        ["--backend", "signalfd"],
    ] {
        let output = soak(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}
