//! [`Tally`]: the outcomes of all mutants, and the verdict on them.

use std::collections::HashMap;
use std::fmt;
use std::fs;

use anyhow::Context;

use super::explained::Explained;
use super::outcomes::{Judged, Mutant, Outcome};
use crate::workspace;

/// Every mutant with its outcome so far.
pub(crate) struct Tally {
    judged: Vec<Judged>,
    /// The outcome of the unit tests alone.
    caught_at_once: usize,
}

impl Tally {
    /// After the first phase.
    pub(crate) fn new(judged: Vec<Judged>) -> Self {
        let caught_at_once = count(&judged, Outcome::Caught);
        Tally {
            judged,
            caught_at_once,
        }
    }

    pub(crate) fn all(&self) -> usize {
        self.judged.len()
    }

    pub(crate) fn missed_names(&self) -> Vec<String> {
        self.missed().map(|mutant| mutant.name.clone()).collect()
    }

    /// Adds a later phase's outcomes of the missed mutants. A mutant that the phase does not
    /// judge stays missed. The mutant has compiled before, and therefore only a lack of
    /// resources can have kept it from compiling again.
    pub(crate) fn take_in(&mut self, later: Vec<Judged>) {
        let later: HashMap<_, _> = later
            .into_iter()
            .map(|Judged { mutant, outcome }| (mutant.name, outcome))
            .collect();
        // cargo-mutants judges more mutants than were selected: it deletes fields whatever
        // the names.
        let missed = |judged: &&mut Judged| judged.outcome == Outcome::Missed;
        for Judged { mutant, outcome } in self.judged.iter_mut().filter(missed) {
            match later.get(&mutant.name) {
                Some(&judgement) if judgement != Outcome::Unviable => *outcome = judgement,
                Some(_) | None => {}
            }
        }
    }

    /// # Errors
    ///
    /// Returns an error if a mutant's file cannot be read.
    pub(crate) fn verdict(&self, explained: &Explained) -> anyhow::Result<Verdict> {
        let mut unexplained = Vec::new();
        for mutant in self.missed() {
            let line = line_of(mutant)?;
            if !explained.has(mutant, &line) {
                unexplained.push(format!("{}\n    {}", mutant.name, line.trim()));
            }
        }
        let mut needless = Vec::new();
        for Judged { mutant, .. } in self.judged.iter().filter(|judged| judged.is_caught()) {
            let line = line_of(mutant)?;
            let entries = explained.mutant.iter();
            needless.extend(
                entries
                    .filter(|entry| entry.is_of(mutant, &line))
                    .map(ToString::to_string),
            );
        }
        Ok(Verdict {
            all: self.all(),
            caught: count(&self.judged, Outcome::Caught),
            caught_at_once: self.caught_at_once,
            timed_out: count(&self.judged, Outcome::TimedOut),
            unviable: count(&self.judged, Outcome::Unviable),
            missed: count(&self.judged, Outcome::Missed),
            unexplained,
            needless,
        })
    }

    fn missed(&self) -> impl Iterator<Item = &Mutant> {
        self.judged
            .iter()
            .filter(|judged| judged.outcome == Outcome::Missed)
            .map(|judged| &judged.mutant)
    }
}

impl Judged {
    fn is_caught(&self) -> bool {
        matches!(self.outcome, Outcome::Caught | Outcome::TimedOut)
    }
}

fn count(judged: &[Judged], outcome: Outcome) -> usize {
    judged
        .iter()
        .filter(|judged| judged.outcome == outcome)
        .count()
}

fn line_of(mutant: &Mutant) -> anyhow::Result<String> {
    let path = workspace::root().join(&mutant.file);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path:?}"))?;
    let line = text.lines().nth(mutant.line().saturating_sub(1));
    Ok(line.unwrap_or_default().to_owned())
}

/// The result of the run.
pub(crate) struct Verdict {
    all: usize,
    caught: usize,
    caught_at_once: usize,
    timed_out: usize,
    unviable: usize,
    missed: usize,
    /// The survivors that the list does not explain, each with its line.
    pub(crate) unexplained: Vec<String>,
    /// Entries of the list whose mutants a test has killed.
    needless: Vec<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.needless {
            writeln!(f, "explained, and yet caught: {entry}")?;
        }
        for mutant in &self.unexplained {
            writeln!(f, "SURVIVES {mutant}")?;
        }
        let Verdict {
            all,
            caught,
            timed_out,
            unviable,
            missed,
            ..
        } = self;
        let at_once = self.caught_at_once;
        let by_suite = caught.saturating_sub(at_once);
        let unexplained = self.unexplained.len();
        write!(
            f,
            "{all} mutants: {caught} caught ({at_once} by unit tests, {by_suite} by the suite), \
             {timed_out} timed out, {unviable} did not compile, {missed} missed, of which \
             {unexplained} unexplained"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(name: &str, outcome: Outcome) -> Judged {
        let mutant = serde_json::from_str(&format!(
            r#"{{"name": "{name}", "file": "Cargo.toml", "span": {{"start": {{"line": 1}}}}}}"#
        ));
        Judged {
            mutant: mutant.unwrap(),
            outcome,
        }
    }

    #[test]
    fn a_survivor_is_one_that_no_phase_catches_and_nobody_explains() {
        let names = ["f:1:1: a", "f:1:1: b", "f:1:1: c", "f:1:1: d"];
        let mut tally = Tally::new(vec![
            judged(names[0], Outcome::Caught),
            judged(names[1], Outcome::Missed),
            judged(names[2], Outcome::Missed),
            judged(names[3], Outcome::Missed),
        ]);
        assert_eq!(tally.missed_names(), names[1..]);
        tally.take_in(vec![
            judged(names[1], Outcome::Caught),
            judged(names[2], Outcome::Missed),
            judged(names[3], Outcome::Unviable),
            judged(names[0], Outcome::Missed),
        ]);

        let explained: Explained = toml::from_str(
            r#"
            [[mutant]]
            file = "Cargo.toml"
            mutation = "c"
            line = "[workspace]"
            reason = "a test"

            [[mutant]]
            file = "Cargo.toml"
            mutation = "b"
            line = "[workspace]"
            reason = "a test"
            "#,
        )
        .unwrap();
        let verdict = tally.verdict(&explained).unwrap();
        assert_eq!(
            (verdict.all, verdict.caught, verdict.caught_at_once),
            (4, 2, 1)
        );
        assert_eq!(verdict.missed, 2);
        assert_eq!(verdict.unexplained, ["f:1:1: d\n    [workspace]"]);
        assert_eq!(verdict.needless, ["Cargo.toml: b in `[workspace]`"]);
    }
}
