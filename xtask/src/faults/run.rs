//! Runs the trials, several at a time.

use std::env;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use childwatch_proofs::faults::{Outcome, Trial};
use indicatif::ProgressBar;

/// A trial and its outcome.
pub(crate) struct Done {
    pub(crate) trial: Trial,
    pub(crate) outcome: Outcome,
}

/// The number of trials for each kind of outcome.
pub(crate) struct Tally {
    pub(crate) lived: usize,
    pub(crate) wrong: usize,
    pub(crate) skipped: usize,
}

/// Runs every trial once, `jobs` at a time. Returns them in their order.
pub(crate) fn run(trials: &[Trial], jobs: usize, deadline: Duration) -> anyhow::Result<Vec<Done>> {
    let program = env::current_exe().context("the program that becomes the trials")?;
    let progress = ProgressBar::new(trials.len() as u64);
    let tickets = AtomicUsize::new(0);
    let outcomes = Mutex::new(vec![None; trials.len()]);
    let work = || {
        while let Some((index, trial)) = next(&tickets, trials) {
            let outcome = trial.run(&program, deadline).unwrap_or_else(|error| {
                Outcome::Wrong(format!("the trial could not be run: {error}"))
            });
            outcomes.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(outcome);
            progress.inc(1);
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(work);
        }
    });
    progress.finish_and_clear();
    let outcomes = outcomes
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let done = trials.iter().zip(outcomes).filter_map(|(&trial, outcome)| {
        let outcome = outcome?;
        Some(Done { trial, outcome })
    });
    Ok(done.collect())
}

fn next<'a>(tickets: &AtomicUsize, trials: &'a [Trial]) -> Option<(usize, &'a Trial)> {
    let index = tickets.fetch_add(1, Ordering::SeqCst);
    trials.get(index).map(|trial| (index, trial))
}

impl Tally {
    pub(crate) fn of(done: &[Done]) -> Self {
        let count = |is_such: fn(&Outcome) -> bool| {
            done.iter().filter(|done| is_such(&done.outcome)).count()
        };
        Tally {
            lived: count(|outcome| matches!(outcome, Outcome::Lived(_))),
            wrong: count(|outcome| matches!(outcome, Outcome::Wrong(_))),
            skipped: count(|outcome| matches!(outcome, Outcome::Unsupported(_))),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally {
            lived,
            wrong,
            skipped,
        } = self;
        write!(
            f,
            "{lived} as they may be, {wrong} wrong, {skipped} skipped"
        )
    }
}
