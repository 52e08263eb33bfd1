//! The remarks below the tables of a report.

use super::point::Failure;
use super::report::{InTurns, Report};
use crate::figures::numbers::count;
use crate::measuring::conditions::{Conditions, Effort};
use crate::measuring::outcome::Outcome;
use crate::rows::row::Row;

/// Returns what a reader must know about the whole run.
pub(crate) fn of_the_run(report: &Report) -> Vec<String> {
    let legend = "Each cell: the median of the rounds, the median of the rounds' ratios to the \
                  floor, and the rounds' 10th to 90th percentile.";
    let Conditions { effort, pin } = report.conditions;
    let pinned = "Each slice was kept on one processor.";
    let quick = "A quick run: its numbers mean nothing.";
    let place = format!("{}: `{}`.", report.place, report.command);
    let rounds = format!("Rounds: {}.", rounds(report));
    let circles: Vec<_> = report.circles.iter().map(in_turns).collect();
    let circles = format!("Taking turns at once: {}.", circles.join("; "));
    [
        (true, place.as_str()),
        (pin, pinned),
        (true, rounds.as_str()),
        (!report.circles.is_empty(), circles.as_str()),
        (true, legend),
        (effort == Effort::Quick, quick),
    ]
    .into_iter()
    .filter(|(applies, _)| *applies)
    .map(|(_, remark)| remark.to_owned())
    .collect()
}

/// Returns the number of rounds of each row, and of each size where sizes differ.
fn rounds(report: &Report) -> String {
    let of_a_row = |row: &'static Row| {
        let floors = report.points_of(row.name, row.floor);
        let rounds: Vec<_> = floors
            .map(|point| (count(point.size), point.rounds.len()))
            .collect();
        let text = match &rounds[..] {
            [] => String::new(),
            [(_, first), others @ ..] if others.iter().all(|(_, other)| other == first) => {
                first.to_string()
            }
            _ => {
                let texts = rounds
                    .iter()
                    .map(|(size, rounds)| format!("{rounds} of {size}"));
                texts.collect::<Vec<_>>().join(" and ")
            }
        };
        format!("{} {text}", row.name)
    };
    let rounds: Vec<_> = report.rows().into_iter().map(of_a_row).collect();
    rounds.join(", ")
}

/// Returns how many slices existed at once, and the reason if that was not all.
fn in_turns(InTurns { row, size, circles }: &InTurns) -> String {
    let size = count(*size);
    let members: Vec<_> = circles.sizes.iter().map(usize::to_string).collect();
    let members = match &circles.sizes[..] {
        [] => "none".to_owned(),
        [all] => format!("all {all}"),
        sizes if sizes.iter().all(|&members| members == 1) => "each alone".to_owned(),
        _ => members.join(" and "),
    };
    let reason = circles.reason.as_ref();
    let reason = reason
        .map(|reason| format!(" ({reason})"))
        .unwrap_or_default();
    format!("{row} of {size}: {members}{reason}")
}

/// Returns why cells or lines are empty or marked, each reason once.
pub(crate) fn of_the_cells(report: &Report) -> Vec<String> {
    let refusals = refusals(report);
    let refusals = refusals
        .iter()
        .map(|(reason, candidates)| format!("– {}: {reason}", candidates.join(", ")));
    refusals.chain(failures(report)).collect()
}

/// Returns the reasons of refusals, each with its candidates.
fn refusals(report: &Report) -> Vec<(&str, Vec<&'static str>)> {
    let mut refusals: Vec<(&str, Vec<&'static str>)> = Vec::new();
    for point in &report.points {
        let Some(Outcome::Refused(reason)) = point.refusal() else {
            continue;
        };
        match refusals.iter_mut().find(|(known, _)| known == reason) {
            None => refusals.push((reason, vec![point.candidate])),
            Some((_, candidates)) if candidates.contains(&point.candidate) => {}
            Some((_, candidates)) => candidates.push(point.candidate),
        }
    }
    refusals
}

fn failures(report: &Report) -> impl Iterator<Item = String> {
    report.points.iter().filter_map(|point| {
        let (row, candidate, size) = (point.row.name, point.candidate, count(point.size));
        let Failure {
            rounds,
            of_rounds,
            reason,
        } = point.failure()?;
        Some(format!(
            "✗ {candidate}, {row} of {size}: {rounds} of {of_rounds} rounds: {reason}"
        ))
    })
}
