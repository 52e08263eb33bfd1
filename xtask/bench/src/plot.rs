//! Plots of what grows with the number of children, as SVG.

use std::ops::Range;
use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::*;

use crate::formats::count;
use crate::report::{Cell, Table};

/// A figure that is worth a plot.
struct Plot {
    file: &'static str,
    row: &'static str,
    figure: &'static str,
}

static PLOTS: [Plot; 2] = [
    Plot {
        file: "latency.svg",
        row: "latency",
        figure: "p50",
    },
    Plot {
        file: "cpu.svg",
        row: "live",
        figure: "total-cpu",
    },
];

/// Fewer points make no curve.
const FEWEST_SIZES: usize = 3;
const PIXELS: (u32, u32) = (860, 480);
const FONT: &str = "sans-serif";

/// One candidate's medians, by the number of children.
type Curve = Vec<(f64, f64)>;

/// Draws into the directory what these tables have enough points for.
pub(crate) fn write(directory: &Path, tables: &[Table]) -> anyhow::Result<()> {
    for plot in &PLOTS {
        let table = tables.iter().find(|table| {
            (table.row.name(), table.figure.name) == (plot.row, plot.figure)
                && table.sizes.len() >= FEWEST_SIZES
        });
        if let Some(table) = table {
            let file = directory.join(plot.file);
            draw(&file, table).map_err(|error| anyhow!("{}: {error}", file.display()))?;
        }
    }
    Ok(())
}

fn draw(file: &Path, table: &Table) -> Result<(), Box<dyn std::error::Error>> {
    let curves: Vec<(&str, Curve)> = table
        .lines
        .iter()
        .map(|line| (line.candidate, curve(&table.sizes, &line.cells)))
        .filter(|(_, curve)| !curve.is_empty())
        .collect();
    let points = || curves.iter().flat_map(|(_, curve)| curve.iter());
    let area = SVGBackend::new(file, PIXELS).into_drawing_area();
    area.fill(&WHITE)?;
    let title = format!("{}: {}", table.row.title(), table.figure.title);
    let mut chart = ChartBuilder::on(&area)
        .caption(title, (FONT, 18))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(
            bounds(points().map(|point| point.0)).log_scale(),
            bounds(points().map(|point| point.1)).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc(format!("{} (none is drawn at 1)", table.row.size()))
        .y_desc(table.figure.unit.symbol())
        .x_label_formatter(&|children| count(children.round() as usize))
        .y_label_formatter(&|value| count(value.round() as usize))
        .light_line_style(WHITE)
        .draw()?;
    for (index, (candidate, curve)) in curves.into_iter().enumerate() {
        let color = Palette99::pick(index).to_rgba();
        chart
            .draw_series(LineSeries::new(curve.clone(), color.stroke_width(2)))?
            .label(candidate)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
        let dots = curve
            .into_iter()
            .map(|at| Circle::new(at, 3, color.filled()));
        chart.draw_series(dots)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font((FONT, 14))
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

fn curve(sizes: &[usize], cells: &[Cell]) -> Curve {
    let measured = sizes
        .iter()
        .zip(cells)
        .filter_map(|(size, cell)| match cell {
            Cell::Measured { spread, .. } => Some(((*size).max(1) as f64, spread.p50)),
            Cell::Refused(_) | Cell::Failed(_) => None,
        });
    measured.collect()
}

/// From a little below the least value to a little above the greatest.
fn bounds(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (least, greatest) = values.fold((f64::MAX, f64::MIN_POSITIVE), |(least, most), value| {
        (least.min(value), most.max(value))
    });
    least.max(f64::MIN_POSITIVE) * 0.8..greatest * 1.25
}
