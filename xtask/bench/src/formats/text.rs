//! Writes the report as text for terminals and logs.

use std::io::{self, Write};

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table as Grid};

use super::cells;
use crate::results::report::Report;
use crate::results::tables::{Table, tables};
use crate::results::targets::judged::{HEADS, HOW_JUDGED, Judged};
use crate::results::{remarks, targets};

pub(crate) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for table in tables(report) {
        writeln!(out, "{}\n{}", cells::whole_title(&table), grid(&table))?;
        writeln!(out)?;
    }
    let targets = targets::judge(report);
    if !targets.is_empty() {
        writeln!(out, "Targets\n{}", targets_grid(&targets))?;
        writeln!(out, "{}\n", HOW_JUDGED)?;
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
    grid.set_header(HEADS);
    for target in targets {
        grid.add_row(target.cells());
    }
    grid
}

fn grid(table: &Table) -> Grid {
    let unit = table.figure.unit;
    let mut grid = Grid::new();
    grid.load_preset(UTF8_FULL_CONDENSED);
    grid.set_header(cells::heads(table));
    for line in table.lines.iter().filter(|line| line.takes_part()) {
        let cells = line.cells.iter().map(|cell| {
            let mut text = cells::cell(cell, unit);
            if let Some(spread) = cells::spread(cell, unit) {
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
