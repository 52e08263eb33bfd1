//! A run: measures every candidate in each row of a plan, round after round.

use std::env;
use std::io::{self, IsTerminal};
use std::iter;
use std::process::ExitCode;

use anyhow::{bail, ensure};

use crate::candidates;
use crate::candidates::candidate::Candidate;
use crate::candidates::names::OLD_DESIGN;
use crate::formats::docs;
use crate::measuring::conditions::{Conditions, Effort};
use crate::measuring::machine;
use crate::options::Options;
use crate::results::point::Point;
use crate::results::report::{InTurns, Report};
use crate::results::targets;
use crate::results::targets::judged::{Judged, Verdict};
use crate::rounds::pid_max::Raised;
use crate::rounds::plan::Plan;
use crate::rounds::round::Subject;
use crate::rounds::series::Series;
use crate::rows;
use crate::rows::row::Row;

pub(crate) fn main(plan: Plan, options: &Options) -> anyhow::Result<ExitCode> {
    check_candidates(options)?;
    let _raised = options.raise_pid_max.then(Raised::raise).transpose()?;
    // Before the run, which is a load itself.
    let place = machine::describe();
    let (points, circles) = measure(&plan, options)?;
    let report = Report {
        place,
        command: command(),
        conditions: options.conditions(),
        points,
        circles,
    };
    options.format.write(&mut io::stdout().lock(), &report)?;
    if let Some(directory) = &options.docs {
        docs::write(directory, &report)?;
    }
    // The old design fails, which the report says. No other candidate may fail.
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

/// Returns the command line in the user's terms.
fn command() -> String {
    let arguments = env::args().skip(1);
    let words: Vec<_> = iter::once("cargo xtask bench".to_owned())
        .chain(arguments)
        .collect();
    words.join(" ")
}

/// Returns an error if a requested candidate does not exist.
fn check_candidates(options: &Options) -> anyhow::Result<()> {
    let asked = &options.candidate;
    if let Some(unknown) = asked.iter().find(|name| candidates::named(name).is_none()) {
        let known: Vec<_> = candidates::ALL.iter().map(|known| known.name()).collect();
        bail!("no candidate `{unknown}`: there are {}", known.join(", "));
    }
    Ok(())
}

/// Returns the requested candidates of a row, and always the row's floor.
fn candidates(row: &Row, options: &Options) -> Vec<&'static dyn Candidate> {
    let asked = &options.candidate;
    let is_wanted = |candidate: &&dyn Candidate| {
        let name = candidate.name();
        let is_asked = asked.is_empty() || name == row.floor || asked.iter().any(|it| it == name);
        is_asked && row.candidates.contains(&name)
    };
    candidates::ALL.iter().copied().filter(is_wanted).collect()
}

/// Measures the requested rows and sizes of a plan.
fn measure(plan: &Plan, options: &Options) -> anyhow::Result<(Vec<Point>, Vec<InTurns>)> {
    let only = &options.only;
    if let Some(unknown) = only.iter().find(|name| rows::named(name).is_none()) {
        let known: Vec<_> = rows::ALL.iter().map(|row| row.name).collect();
        bail!("no row `{unknown}`: there are {}", known.join(", "));
    }
    let conditions = options.conditions();
    let (mut points, mut circles) = (Vec::new(), Vec::new());
    for part in plan {
        let row = part.row;
        if !only.is_empty() && !only.iter().any(|name| name == row.name) {
            continue;
        }
        let candidates = candidates(row, options);
        let mut series: Vec<_> = part
            .sizes(conditions.effort)
            .iter()
            .filter(|size| options.size.is_empty() || options.size.contains(size))
            .map(|&size| {
                let rounds = options.rounds;
                let rounds = rounds.unwrap_or_else(|| row.rounds(size, conditions.effort));
                let subject = Subject {
                    row,
                    size,
                    conditions,
                };
                Series::new(subject, &candidates, rounds)
            })
            .collect();
        take_rounds(&mut series)?;
        for measured in series {
            circles.extend(measured.circles());
            points.extend(measured.points);
        }
    }
    ensure!(
        !points.is_empty(),
        "none of these rows, with these numbers of children, is part of this run"
    );
    Ok((points, circles))
}

/// Measures round after round, each with all numbers of children. Changes of the machine's
/// speed then fall on all numbers of children alike.
fn take_rounds(series: &mut [Series]) -> anyhow::Result<()> {
    let most_rounds = series.iter().map(Series::rounds).max();
    for round in 0..most_rounds.unwrap_or(0) {
        for one in series.iter_mut().filter(|one| round < one.rounds()) {
            progress(&one.describe(round));
            one.measure_round(round)?;
        }
    }
    progress("");
    Ok(())
}

/// Shows the progress of the run in one line, if the standard error is a terminal.
fn progress(line: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r{line}\x1b[K");
    }
}

impl Options {
    pub(crate) fn conditions(&self) -> Conditions {
        let effort = if self.quick {
            Effort::Quick
        } else {
            Effort::Full
        };
        Conditions {
            effort,
            pin: self.pin,
        }
    }
}
