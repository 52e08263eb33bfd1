//! The hosts as a table. The documentation shows it.

use super::HOSTS;
use crate::backend::under_test::BackendUnderTest;

/// The hosts as a table in Markdown: each host's kind of program, and the difference that it
/// notices with which of these backends.
#[must_use]
pub fn table_of_hosts(backends: &[&dyn BackendUnderTest]) -> String {
    let head = "| host | what it is | what it notices |\n|---|---|---|\n";
    let rows = HOSTS.iter().map(|host| {
        let exceptions = host.exceptions.iter();
        let noticed: Vec<_> = exceptions.map(|one| one.describe(backends)).collect();
        format!("| {} | {} | {} |\n", host.name, host.is, noticed.join(" "))
    });
    std::iter::once(head.to_owned()).chain(rows).collect()
}
