//! A run: round after round, in which the candidates take turns.

use std::env;
use std::io::{self, IsTerminal};
use std::iter;
use std::process::ExitCode;

use anyhow::{bail, ensure};

use crate::candidate::Candidate;
use crate::candidates::{self, OLD_DESIGN};
use crate::docs;
use crate::machine;
use crate::options::{Conditions, Options};
use crate::pid_max::Raised;
use crate::plan::Plan;
use crate::report::{Point, Report};
use crate::row::Row;
use crate::rows;
use crate::slice;
use crate::targets::{self, Judged, Verdict};

pub(crate) fn main(plan: Plan, options: &Options) -> anyhow::Result<ExitCode> {
    let candidates = candidates(options)?;
    let _raised = options
        .raise_pid_max
        .then(Raised::for_most_children)
        .transpose()?;
    let report = Report {
        place: machine::describe(),
        command: command(),
        conditions: options.conditions(),
        points: points(plan, &candidates, options)?,
    };
    options.format.write(&mut io::stdout().lock(), &report)?;
    if let Some(directory) = &options.docs {
        docs::write(directory, &report)?;
    }
    // The old design does fail, and that is told; nobody else may.
    let has_failed = |point: &Point| point.candidate != OLD_DESIGN && point.failure().is_some();
    if report.points.iter().any(has_failed) {
        return Ok(ExitCode::FAILURE);
    }
    let is_missed = |target: &Judged| matches!(target.verdict, Verdict::Missed);
    if options.check && targets::judge(&report).iter().any(is_missed) {
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// What the user has typed, or might have.
fn command() -> String {
    let arguments = env::args().skip(1);
    let words: Vec<_> = iter::once("cargo xtask bench".to_owned())
        .chain(arguments)
        .collect();
    words.join(" ")
}

/// Those asked for, and always the floor.
fn candidates(options: &Options) -> anyhow::Result<Vec<&'static dyn Candidate>> {
    let asked = &options.candidate;
    if let Some(unknown) = asked.iter().find(|name| candidates::named(name).is_none()) {
        let known: Vec<_> = candidates::ALL.iter().map(|known| known.name()).collect();
        bail!("no candidate `{unknown}`: there are {}", known.join(", "));
    }
    let is_wanted = |candidate: &&dyn Candidate| {
        let name = candidate.name();
        asked.is_empty() || name == candidates::FLOOR.name() || asked.iter().any(|it| it == name)
    };
    Ok(candidates::ALL.iter().copied().filter(is_wanted).collect())
}

fn points(
    plan: Plan,
    candidates: &[&'static dyn Candidate],
    options: &Options,
) -> anyhow::Result<Vec<Point>> {
    let only = &options.only;
    if let Some(unknown) = only.iter().find(|name| rows::named(name).is_none()) {
        let known: Vec<_> = rows::ALL.iter().map(|row| row.name()).collect();
        bail!("no row `{unknown}`: there are {}", known.join(", "));
    }
    let conditions = options.conditions();
    let mut points = Vec::new();
    for part in plan {
        if !only.is_empty() && !only.iter().any(|name| name == part.row.name()) {
            continue;
        }
        for &size in part.sizes(conditions.effort) {
            let rounds = options
                .rounds
                .unwrap_or_else(|| part.row.rounds(size, conditions.effort));
            points.extend(take_turns(part.row, size, candidates, rounds, conditions)?);
        }
    }
    ensure!(!points.is_empty(), "none of these rows is part of this run");
    Ok(points)
}

/// One row with one number of children.
fn take_turns(
    row: &'static dyn Row,
    size: usize,
    candidates: &[&'static dyn Candidate],
    rounds: usize,
    conditions: Conditions,
) -> anyhow::Result<Vec<Point>> {
    let mut points: Vec<_> = candidates
        .iter()
        .map(|candidate| Point {
            row,
            size,
            candidate: candidate.name(),
            rounds: Vec::with_capacity(rounds),
        })
        .collect();
    for round in 0..rounds {
        let (name, of) = (row.name(), row.size());
        progress(&format!(
            "{name}, {size} {of}: round {}/{rounds}",
            round + 1
        ));
        // Each begins in its turn: the first finds the machine as the last left it.
        for turn in 0..candidates.len() {
            let next = (round + turn) % candidates.len();
            let outcome = match points[next].settled() {
                Some(settled) => settled.clone(),
                None => slice::measure(row, candidates[next], size, conditions)?,
            };
            points[next].rounds.push(outcome);
        }
    }
    progress("");
    Ok(points)
}

/// Shows where the run is, in a line that is written anew; to a terminal alone.
fn progress(line: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r{line}\x1b[K");
    }
}
