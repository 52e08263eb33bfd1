//! The clauses of the trait's documentation and those of the suite are the same,
//! and each is proven by a case.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use childwatch_proofs::backends;
use childwatch_ptrace_free_tests::{CASES, Clause, HOSTS, table_of_hosts};

/// `- **\[C7\] no reaping.** …` in the documentation of `PidWatcher`.
fn documented() -> BTreeSet<(String, String)> {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../childwatch-core/src/contract/watcher.rs");
    let text = fs::read_to_string(source).expect("the trait's source");
    text.lines()
        .filter_map(|line| {
            let (tag, rest) = line.trim().strip_prefix("/// - **\\[")?.split_once("\\]")?;
            let (title, _) = rest.split_once(".**")?;
            Some((tag.to_owned(), title.trim().replace('`', "")))
        })
        .collect()
}

#[test]
fn the_suite_has_the_clauses_of_the_contract() {
    let known: BTreeSet<_> = Clause::ALL
        .iter()
        .map(|clause| (clause.to_string(), clause.title().to_owned()))
        .collect();
    assert_eq!(documented(), known);
}

#[test]
fn every_clause_is_proven_by_a_case() {
    for clause in Clause::ALL {
        assert!(
            CASES.iter().any(|case| case.clause == *clause),
            "{clause} has no case"
        );
    }
}

#[test]
fn no_two_cases_or_hosts_have_one_name() {
    let names: BTreeSet<_> = CASES.iter().map(|case| case.name).collect();
    let hosts: BTreeSet<_> = HOSTS.iter().map(|host| host.name).collect();
    assert_eq!(names.union(&hosts).count(), CASES.len() + HOSTS.len());
}

/// `UPDATE_DOCS=1` writes the table instead.
#[test]
fn the_documentation_has_the_hosts() {
    const BEGIN: &str = "<!-- hosts: written by the test `the_documentation_has_the_hosts` -->\n";
    const END: &str = "<!-- end of hosts -->";
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/hosts.md");
    let text = fs::read_to_string(&page).expect("docs/hosts.md");
    let (before, rest) = text.split_once(BEGIN).expect("the table's begin");
    let (table, after) = rest.split_once(END).expect("the table's end");
    let now = table_of_hosts(backends::ALL);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let text = format!("{before}{BEGIN}{now}{END}{after}");
        fs::write(&page, text).expect("docs/hosts.md can be written");
    } else {
        assert!(
            table == now,
            "docs/hosts.md has another table of hosts: \
             `UPDATE_DOCS=1 cargo test -p childwatch-proofs --test contract` writes it"
        );
    }
}

/// The clauses in words, as `Clause::text` returns them: without markup for links and bold
/// letters, and with two blank lines between them.
fn texts_of_clauses() -> String {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../childwatch-core/src/contract/watcher.rs");
    let text = fs::read_to_string(source).expect("the trait's source");
    let lines: Vec<_> = text
        .lines()
        .map_while(|line| (!line.contains("/// # What waits for what")).then_some(line))
        .skip_while(|line| !line.contains("\\[C1\\]"))
        .map(|line| line.trim_start_matches("///").trim_end())
        .collect();
    let mut texts = String::new();
    for line in lines {
        match line.strip_prefix(" - **\\[") {
            Some(rest) => {
                texts.truncate(texts.trim_end().len());
                texts.push_str(if texts.is_empty() { "[" } else { "\n\n\n[" });
                texts.push_str(rest);
            }
            None => texts.push_str(line.strip_prefix("   ").unwrap_or(line)),
        }
        texts.push('\n');
    }
    let texts = without_links(texts.trim_end()) + "\n";
    texts.replace("\\]", "]").replace("**", "")
}

/// Replaces each `[text](target)` by its text.
fn without_links(text: &str) -> String {
    let Some((before, rest)) = text.split_once("](") else {
        return text.to_owned();
    };
    let (start, link) = before.rsplit_once('[').expect("a link begins");
    let (_, after) = rest.split_once(')').expect("a link ends");
    format!("{start}{link}{}", without_links(after))
}

#[test]
fn the_suite_has_the_texts_of_the_clauses() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/case/clauses.txt");
    let texts = texts_of_clauses();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, &texts).expect("clauses.txt");
    }
    let known = fs::read_to_string(&file).expect("clauses.txt");
    assert_eq!(
        known, texts,
        "UPDATE_DOCS=1 cargo test -p childwatch-proofs --test contract"
    );
    for clause in Clause::ALL {
        let head = format!("[{clause}] {}.", clause.title());
        assert!(
            clause
                .text()
                .replace('`', "")
                .starts_with(&head.replace('`', "")),
            "{clause}"
        );
    }
}
