//! The broken watchers as a table. The documentation shows it.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::all;
use super::entry::Broken;
use childwatch_ptrace_free_tests::CASES;
use childwatch_ptrace_free_tests::HOSTS;

const HEAD: &str =
    "| watcher | breaks | built on | what it does | fails |\n|---|---|---|---|---|\n";

/// How many there are, and a row for each, in Markdown: the rule it breaks, the backend it is
/// built on, its fault, and the cases and hosts that it fails.
#[must_use]
pub fn table() -> String {
    let fails: Vec<_> = all().flat_map(|broken| broken.fails).collect();
    let failed: BTreeSet<_> = fails.iter().map(|(case, _)| case).collect();
    let mut text = format!(
        "{} broken watchers, {} failures; {} of the {} cases and hosts are seen to fail.\n\n{HEAD}",
        all().count(),
        fails.len(),
        failed.len(),
        CASES.len() + HOSTS.len(),
    );
    for broken in all() {
        writeln!(text, "{}", row(broken)).expect("a String takes all");
    }
    text
}

fn row(broken: &Broken) -> String {
    let Broken {
        name,
        fault,
        breaks,
        built_on,
        fails,
        ..
    } = broken;
    let built_on = built_on.name();
    let fails: Vec<_> = fails.iter().map(|(case, _)| format!("`{case}`")).collect();
    let fails = fails.join(", ");
    format!("| {name} | {breaks} | {built_on} | {fault} | {fails} |")
}
