//! Plots of figures over the number of children, as SVG.
//!
//! Each plot has a white ground, and is therefore readable on a dark page too.

use std::path::Path;

use anyhow::anyhow;

use crate::results::tables::{Cell, Line, Table};
use chart::{Chart, Curve};

mod axis;
mod chart;
mod style;

/// A figure that is plotted.
struct Plot {
    file: &'static str,
    row: &'static str,
    figure: &'static str,
    title: &'static str,
    /// The label of the horizontal axis.
    children: &'static str,
}

const WATCHED: &str = "children that are watched";

static PLOTS: [Plot; 8] = [
    Plot {
        file: "latency.svg",
        row: "latency",
        figure: "p50",
        title: "From an exit to its callback, median",
        children: "idle children that are watched too",
    },
    Plot {
        file: "latency-p99.svg",
        row: "latency",
        figure: "p99",
        title: "From an exit to its callback, 99th percentile",
        children: "idle children that are watched too",
    },
    Plot {
        file: "merged.svg",
        row: "merged",
        figure: "last",
        title: "50 children exit at once: from the last exit to the last callback",
        children: WATCHED,
    },
    Plot {
        file: "reaped.svg",
        row: "reaped",
        figure: "p50",
        title: "From an exit to its callback, reaped by another thread, median",
        children: WATCHED,
    },
    Plot {
        file: "silent.svg",
        row: "silent",
        figure: "first",
        title: "From an exit to its callback, after a calm, without a signal",
        children: WATCHED,
    },
    Plot {
        file: "scale-cpu.svg",
        row: "scale",
        figure: "cpu",
        title: "Children registered, exiting at once, told: processor time in all",
        children: "children",
    },
    Plot {
        file: "scale-cpu-each.svg",
        row: "scale",
        figure: "cpu-each",
        title: "Children registered, exiting at once, told: processor time of each",
        children: "children",
    },
    Plot {
        file: "scale-memory.svg",
        row: "memory",
        figure: "heap",
        title: "Heap of each watched child, the caller's closure included",
        children: "children",
    },
];

/// Tables with fewer sizes are not plotted.
const FEWEST_SIZES: usize = 3;

/// A plot that has been drawn.
pub(crate) struct Drawn {
    pub(crate) file: &'static str,
    pub(crate) title: &'static str,
    /// The row beside whose tables the plot stands.
    pub(crate) row: &'static str,
}

/// Draws into the directory the plots for which these tables have enough sizes.
pub(crate) fn write(directory: &Path, tables: &[Table]) -> anyhow::Result<Vec<Drawn>> {
    let mut drawn = Vec::new();
    for plot in &PLOTS {
        let is_plotted = |table: &&Table| {
            (table.row.name, table.figure.name) == (plot.row, plot.figure)
                && table.sizes.len() >= FEWEST_SIZES
        };
        let Some(table) = tables.iter().find(is_plotted) else {
            continue;
        };
        let curves = table.lines.iter().map(|line| curve(&table.sizes, line));
        let curves: Vec<_> = curves.filter(|curve| !curve.points.is_empty()).collect();
        let is_measured = |size: &usize| {
            let mut points = curves.iter().flat_map(|curve| &curve.points);
            points.any(|(measured, _)| measured == size)
        };
        let sizes = table.sizes.iter().copied().filter(is_measured).collect();
        let chart = Chart {
            title: plot.title,
            unit: table.figure.unit.name(),
            children: plot.children,
            sizes,
            curves,
        };
        let file = directory.join(plot.file);
        chart
            .draw(&file)
            .map_err(|error| anyhow!("{}: {error}", file.display()))?;
        drawn.push(Drawn {
            file: plot.file,
            title: plot.title,
            row: plot.row,
        });
    }
    Ok(drawn)
}

fn curve(sizes: &[usize], line: &Line) -> Curve {
    let measured = sizes
        .iter()
        .zip(&line.cells)
        .filter_map(|(size, cell)| match cell {
            // A logarithmic axis has no place for zero.
            Cell::Measured { spread, .. } if spread.p50 > 0.0 => Some((*size, spread.p50)),
            Cell::Measured { .. } | Cell::Refused(_) | Cell::Failed(_) => None,
        });
    Curve {
        candidate: line.candidate,
        points: measured.collect(),
    }
}
