//! The report as JSON.

use std::io::Write;

use serde::Serialize;

use crate::figures::interval::Interval;
use crate::measuring::conditions::Effort;
use crate::results::report::{InTurns, Report};
use crate::results::tables::{Cell, Table, tables};
use crate::results::targets;
use crate::results::targets::judged::Judged;

#[derive(Serialize)]
struct Document<'a> {
    machine: &'a str,
    command: &'a str,
    is_quick: bool,
    targets: Vec<Judged>,
    circles: &'a [InTurns],
    figures: Vec<Line<'a>>,
}

/// One figure of a candidate, with one number of children.
#[derive(Serialize)]
struct Line<'a> {
    row: &'a str,
    figure: &'a str,
    unit: &'a str,
    candidate: &'a str,
    size: usize,
    outcome: &'static str,
    #[serde(flatten)]
    numbers: Option<Numbers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Numbers {
    p10: f64,
    p50: f64,
    p90: f64,
    ratio: Option<f64>,
    /// The 95 % confidence interval of the ratio's true median.
    ratio_interval: Option<[f64; 2]>,
    rounds: usize,
}

pub(crate) fn write(out: &mut impl Write, report: &Report) -> anyhow::Result<()> {
    let tables = tables(report);
    let document = Document {
        machine: &report.place,
        command: &report.command,
        is_quick: report.conditions.effort == Effort::Quick,
        targets: targets::judge(report),
        circles: &report.circles,
        figures: tables.iter().flat_map(lines).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)?;
    Ok(())
}

fn lines(table: &Table) -> impl Iterator<Item = Line<'_>> {
    table.lines.iter().flat_map(move |line| {
        let sized = table.sizes.iter().zip(&line.cells);
        sized.map(move |(size, cell)| {
            let (outcome, numbers, reason) = parts(cell);
            Line {
                row: table.row.name,
                figure: table.figure.name,
                unit: table.figure.unit.symbol(),
                candidate: line.candidate,
                size: *size,
                outcome,
                numbers,
                reason,
            }
        })
    })
}

fn parts(cell: &Cell) -> (&'static str, Option<Numbers>, Option<&str>) {
    match cell {
        Cell::Measured {
            spread,
            ratio,
            rounds,
            failure,
        } => {
            let numbers = Numbers {
                p10: spread.p10,
                p50: spread.p50,
                p90: spread.p90,
                ratio: ratio.map(|ratio| ratio.median),
                ratio_interval: ratio
                    .and_then(|ratio| ratio.interval)
                    .map(|Interval { low, high }| [low, high]),
                rounds: *rounds,
            };
            let reason = failure.as_ref().map(|failure| failure.reason.as_str());
            ("measured", Some(numbers), reason)
        }
        Cell::Refused(reason) => ("refused", None, Some(reason)),
        Cell::Failed(failure) => ("failed", None, Some(&failure.reason)),
    }
}
