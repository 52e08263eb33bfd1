//! The report as Markdown, for a document.

use std::io::{self, Write};

use super::numbers;
use crate::remarks;
use crate::report::{self, Report, Table};

pub(crate) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for table in report::tables(report) {
        write_table(out, &table)?;
    }
    for note in remarks::of_the_cells(report) {
        writeln!(out, "{note}\n")?;
    }
    for remark in remarks::of_the_run(report) {
        writeln!(out, "{remark}\n")?;
    }
    Ok(())
}

fn write_table(out: &mut impl Write, table: &Table) -> io::Result<()> {
    let unit = table.figure.unit;
    let heads = numbers::heads(table);
    writeln!(out, "### {}\n", numbers::title(table))?;
    writeln!(out, "| {} |", heads.join(" | "))?;
    writeln!(out, "|---|{}", "--:|".repeat(heads.len() - 1))?;
    for line in table.lines.iter().filter(|line| line.takes_part()) {
        write!(out, "| {} |", line.candidate)?;
        for cell in &line.cells {
            write!(out, " {}", numbers::cell(cell, unit))?;
            if let Some(spread) = numbers::spread(cell, unit) {
                write!(out, " ({spread})")?;
            }
            write!(out, " |")?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}
