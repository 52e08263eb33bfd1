//! The report as text, for a terminal or a log.

use std::io::{self, Write};

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table as Grid};

use super::numbers;
use crate::remarks;
use crate::report::{self, Report, Table};
use crate::targets::{self, Judged};

pub(crate) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for table in report::tables(report) {
        writeln!(out, "{}\n{}", numbers::whole_title(&table), grid(&table))?;
        writeln!(out)?;
    }
    let targets = targets::judge(report);
    if !targets.is_empty() {
        writeln!(out, "Targets\n{}", targets_grid(&targets))?;
        writeln!(out, "{}\n", targets::HOW_JUDGED)?;
    }
    for note in remarks::of_the_cells(report) {
        writeln!(out, "{note}")?;
    }
    writeln!(out)?;
    for remark in remarks::of_the_run(report) {
        writeln!(out, "{remark}")?;
    }
    Ok(())
}

fn targets_grid(targets: &[Judged]) -> Grid {
    let mut grid = Grid::new();
    grid.load_preset(UTF8_FULL_CONDENSED);
    grid.set_header(targets::HEADS);
    for target in targets {
        grid.add_row(target.cells());
    }
    grid
}

fn grid(table: &Table) -> Grid {
    let unit = table.figure.unit;
    let mut grid = Grid::new();
    grid.load_preset(UTF8_FULL_CONDENSED);
    grid.set_header(numbers::heads(table));
    for line in table.lines.iter().filter(|line| line.takes_part()) {
        let cells = line.cells.iter().map(|cell| {
            let mut text = numbers::cell(cell, unit);
            if let Some(spread) = numbers::spread(cell, unit) {
                text = format!("{text}\n{spread}");
            }
            text
        });
        grid.add_row(std::iter::once(line.candidate.to_owned()).chain(cells));
    }
    for column in grid.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    grid
}
