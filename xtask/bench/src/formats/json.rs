//! The report as JSON: one object a line, one line a figure of a candidate.

use std::io::Write;

use serde::Serialize;

use crate::report::{self, Cell, Report, Table};

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
    rounds: usize,
}

pub(crate) fn write(out: &mut impl Write, report: &Report) -> anyhow::Result<()> {
    for table in report::tables(report) {
        for line in lines(&table) {
            serde_json::to_writer(&mut *out, &line)?;
            writeln!(out)?;
        }
    }
    Ok(())
}

fn lines(table: &Table) -> impl Iterator<Item = Line<'_>> {
    table.lines.iter().flat_map(move |line| {
        let sized = table.sizes.iter().zip(&line.cells);
        sized.map(move |(size, cell)| {
            let (outcome, numbers, reason) = parts(cell);
            Line {
                row: table.row.name(),
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
                ratio: *ratio,
                rounds: *rounds,
            };
            let reason = failure.as_ref().map(|failure| failure.reason.as_str());
            ("measured", Some(numbers), reason)
        }
        Cell::Refused(reason) => ("refused", None, Some(reason)),
        Cell::Failed(failure) => ("failed", None, Some(&failure.reason)),
    }
}
