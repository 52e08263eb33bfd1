//! [`Judged`]: the part of cargo-mutants' results that is used here.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

/// A mutant and its outcome.
#[derive(Clone)]
pub(crate) struct Judged {
    pub(crate) mutant: Mutant,
    pub(crate) outcome: Outcome,
}

/// A fault in one place.
#[derive(Clone, Deserialize)]
pub(crate) struct Mutant {
    /// File, line, column and mutation.
    pub(crate) name: String,
    pub(crate) file: String,
    span: Span,
}

#[derive(Clone, Deserialize)]
struct Span {
    start: Position,
}

#[derive(Clone, Deserialize)]
struct Position {
    line: usize,
}

/// The outcome of a mutant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A test failed.
    Caught,
    /// Every test passed.
    Missed,
    /// The tests did not end, which is a failure too.
    TimedOut,
    /// It did not compile.
    Unviable,
}

impl Mutant {
    /// Returns the mutation alone, which does not change if its line moves.
    pub(crate) fn mutation(&self) -> &str {
        // The name begins with the file, the line and the column.
        self.name
            .splitn(4, ':')
            .last()
            .unwrap_or_default()
            .trim_start()
    }

    /// Counted from 1.
    pub(crate) fn line(&self) -> usize {
        self.span.start.line
    }
}

/// Reads the mutants of a run from cargo-mutants' directory of results.
pub(crate) fn read(directory: &Path) -> anyhow::Result<Vec<Judged>> {
    let path = directory.join("outcomes.json");
    // The file is not written if there was no mutant.
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path:?}"))?;
    parse(&text).with_context(|| format!("in {path:?}"))
}

fn parse(text: &str) -> anyhow::Result<Vec<Judged>> {
    let Report { outcomes } = serde_json::from_str(text)?;
    outcomes.into_iter().filter_map(Entry::judged).collect()
}

#[derive(Deserialize)]
struct Report {
    outcomes: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    scenario: Scenario,
    summary: String,
}

#[derive(Deserialize)]
enum Scenario {
    /// The unmutated tree.
    Baseline,
    Mutant(Mutant),
}

impl Entry {
    fn judged(self) -> Option<anyhow::Result<Judged>> {
        let Scenario::Mutant(mutant) = self.scenario else {
            return None;
        };
        let outcome = match &self.summary[..] {
            "CaughtMutant" => Outcome::Caught,
            "MissedMutant" => Outcome::Missed,
            "Timeout" => Outcome::TimedOut,
            "Unviable" => Outcome::Unviable,
            other => return Some(Err(anyhow::anyhow!("{}: {other}", mutant.name))),
        };
        Some(Ok(Judged { mutant, outcome }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mutants_are_read_and_the_baseline_is_none() {
        let judged = parse(
            r#"{"outcomes": [
                {"scenario": "Baseline", "summary": "Success"},
                {"scenario": {"Mutant": {
                    "name": "a/src/lib.rs:3:9: replace <A as B>::c with ()",
                    "file": "a/src/lib.rs",
                    "span": {"start": {"line": 3, "column": 9}, "end": {"line": 4, "column": 1}}
                }}, "summary": "MissedMutant"}
            ]}"#,
        )
        .unwrap();
        let [Judged { mutant, outcome }] = &judged[..] else {
            panic!("{}", judged.len());
        };
        assert!(*outcome == Outcome::Missed);
        assert_eq!(mutant.mutation(), "replace <A as B>::c with ()");
        assert_eq!(mutant.line(), 3);
    }

    #[test]
    fn an_outcome_that_is_not_known_is_an_error() {
        let text = r#"{"outcomes": [{"scenario": {"Mutant": {
            "name": "n", "file": "f", "span": {"start": {"line": 1}}
        }}, "summary": "Failure"}]}"#;
        assert!(parse(text).is_err());
    }
}
