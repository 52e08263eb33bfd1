//! [`Matrix`]: a row for each call and phase. Errors with equal outcomes share a row.

use std::collections::BTreeSet;

use childwatch_proofs::faults::{Outcome, Phase, When, error_name};
use comfy_table::Table;

use super::run::Done;

/// The columns after the call, the phase and its errors. They say which of the calls fail.
const WHENS: usize = 4;

pub(crate) struct Matrix {
    pub(crate) backends: Vec<Backend>,
}

pub(crate) struct Backend {
    pub(crate) name: &'static str,
    /// How many of the trials had a fault.
    pub(crate) trials: usize,
    rows: Vec<Row>,
}

struct Row {
    call: &'static str,
    phase: Phase,
    errors: Vec<String>,
    /// The outcomes: when the first call fails, when a later one fails, each for a while, and
    /// each for the rest of the trial.
    outcomes: [BTreeSet<String>; WHENS],
}

impl Matrix {
    pub(crate) fn of(done: &[Done]) -> Self {
        let mut matrix = Matrix {
            backends: Vec::new(),
        };
        for one in done {
            matrix.take(one);
        }
        for backend in &mut matrix.backends {
            backend.merge();
        }
        matrix
    }

    fn take(&mut self, Done { trial, outcome }: &Done) {
        let Some(fault) = trial.fault else { return };
        let name = trial.backend.name();
        let known = self.backends.iter().position(|known| known.name == name);
        let index = known.unwrap_or_else(|| {
            self.backends.push(Backend {
                name,
                trials: 0,
                rows: Vec::new(),
            });
            self.backends.len() - 1
        });
        let column = match fault.when {
            When::Nth(1) => 0,
            When::Nth(_) => 1,
            When::Lasting => 2,
            When::ForGood => 3,
        };
        self.backends[index].trials += 1;
        let errors = vec![error_name(fault.errno)];
        let row = self.backends[index].row(fault.call.name, fault.phase, errors);
        row.outcomes[column].insert(match outcome {
            Outcome::Lived(words) => words.clone(),
            Outcome::Wrong(_) => "WRONG".to_owned(),
            Outcome::Unsupported(_) => "skipped".to_owned(),
        });
    }
}

impl Backend {
    fn row(&mut self, call: &'static str, phase: Phase, errors: Vec<String>) -> &mut Row {
        let known = self
            .rows
            .iter()
            .position(|row| row.call == call && row.phase == phase && row.errors == errors);
        let index = known.unwrap_or_else(|| {
            self.rows.push(Row {
                call,
                phase,
                errors,
                outcomes: Default::default(),
            });
            self.rows.len() - 1
        });
        &mut self.rows[index]
    }

    /// Joins rows that differ only in their errors.
    fn merge(&mut self) {
        let mut merged: Vec<Row> = Vec::new();
        for row in self.rows.drain(..) {
            let same = merged.iter_mut().find(|known| {
                known.call == row.call && known.phase == row.phase && known.outcomes == row.outcomes
            });
            match same {
                Some(known) => known.errors.extend(row.errors),
                None => merged.push(row),
            }
        }
        self.rows = merged;
    }

    pub(crate) fn table(&self, preset: &str) -> Table {
        let mut table = Table::new();
        table.load_preset(preset).set_header([
            "call",
            "while",
            "error",
            "the first fails",
            "the n-th",
            "each, for a while",
            "each, for good",
        ]);
        for row in &self.rows {
            let mut cells = vec![
                row.call.to_owned(),
                row.phase.to_string(),
                row.errors.join(", "),
            ];
            cells.extend(row.outcomes.iter().map(|outcomes| {
                let words: Vec<_> = outcomes.iter().map(String::as_str).collect();
                match &words[..] {
                    [] => "–".to_owned(),
                    words => words.join(" / "),
                }
            }));
            table.add_row(cells);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use childwatch_proofs::faults::{self, BACKENDS};

    use super::*;

    /// Groups the trials of one call in one phase by the outcome of each error.
    fn done(call: &str, outcome: fn(&str) -> &str) -> Vec<Done> {
        let trials = faults::planned(&BACKENDS[..1]);
        let meant = trials.into_iter().filter(|trial| {
            let fault = trial.fault.filter(|fault| fault.call.name == call);
            fault.is_some_and(|fault| fault.phase == Phase::Making)
        });
        meant
            .map(|trial| {
                let errno = trial.fault.unwrap().errno;
                let outcome = Outcome::Lived(outcome(&error_name(errno)).to_owned());
                Done { trial, outcome }
            })
            .collect()
    }

    #[test]
    fn errors_that_come_to_the_same_stand_in_one_row() {
        let done = done("clone3", |errno| match errno {
            "ENOSYS" => "no effect",
            _ => "no watcher",
        });
        let matrix = Matrix::of(&done);
        let [backend] = &matrix.backends[..] else {
            panic!("one backend");
        };
        assert_eq!(backend.trials, done.len());
        let errors: Vec<_> = backend
            .rows
            .iter()
            .map(|row| row.errors.join(" "))
            .collect();
        assert_eq!(errors, ["EAGAIN ENOMEM EINVAL EPERM", "ENOSYS"]);
    }

    #[test]
    fn what_was_not_tried_is_a_dash_and_what_went_wrong_is_loud() {
        let mut done = done("clone3", |_| "no watcher");
        done[0].outcome = Outcome::Wrong("it hung".to_owned());
        let table = Matrix::of(&done).backends[0].table(comfy_table::presets::NOTHING);
        let text = table.to_string();
        assert!(text.contains("WRONG") && text.contains(" – "), "{text}");
    }
}
