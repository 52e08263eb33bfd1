//! Cells, titles and heads of tables, as text and Markdown show them.

use crate::figures::figure::{Figure, Unit};
use crate::figures::numbers::{count, times, value};
use crate::results::tables::{Cell, Table};

/// Writes a cell in one line: the median, and the ratio to the floor.
pub(crate) fn cell(cell: &Cell, unit: Unit) -> String {
    match cell {
        Cell::Measured {
            spread,
            ratio,
            failure,
            ..
        } => {
            let mark = failure.as_ref().map(|_| "✗".to_owned());
            let median = Some(value(spread.p50, unit));
            let ratio = ratio.map(|ratio| times(ratio.median));
            let parts = [mark, median, ratio];
            parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
        }
        Cell::Refused(_) => "–".to_owned(),
        Cell::Failed(_) => "✗".to_owned(),
    }
}

/// Writes how far the rounds lie apart, if there were several.
pub(crate) fn spread(cell: &Cell, unit: Unit) -> Option<String> {
    match cell {
        Cell::Measured { spread, rounds, .. } if *rounds > 1 && unit.is_comparable() => {
            let (low, high) = (value(spread.p10, unit), value(spread.p90, unit));
            Some(format!("{low}–{high}"))
        }
        _ => None,
    }
}

/// The title of a table among those of its own row.
pub(crate) fn title(figure: &Figure) -> String {
    match figure.unit.symbol() {
        "" => figure.title.to_owned(),
        symbol => format!("{} [{symbol}]", figure.title),
    }
}

/// The title of a table among those of other rows.
pub(crate) fn whole_title(table: &Table) -> String {
    format!("{}: {}", table.row.title, title(table.figure))
}

/// The heads of the columns.
pub(crate) fn heads(table: &Table) -> Vec<String> {
    let first = format!("{} →", table.row.size);
    let sizes = table.sizes.iter().map(|size| count(*size));
    std::iter::once(first).chain(sizes).collect()
}
