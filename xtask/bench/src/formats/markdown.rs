//! Writes the report as Markdown.

use std::io::{self, Write};

use super::cells;
use crate::results::report::Report;
use crate::results::tables::{Table, tables};
use crate::results::targets::judged::{HEADS, HOW_JUDGED};
use crate::results::{remarks, targets};

pub(crate) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for table in tables(report) {
        write_table(out, &table, &cells::whole_title(&table))?;
    }
    write_targets(out, report)?;
    write_remarks(out, report)
}

pub(crate) fn write_targets(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let targets = targets::judge(report);
    if targets.is_empty() {
        return Ok(());
    }
    writeln!(out, "## Targets\n")?;
    writeln!(out, "| {} |", HEADS.join(" | "))?;
    writeln!(out, "|{}", "---|".repeat(HEADS.len()))?;
    for target in targets {
        writeln!(out, "| {} |", target.cells().join(" | "))?;
    }
    writeln!(out, "\n{}\n", HOW_JUDGED)
}

pub(crate) fn write_remarks(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let cells = remarks::of_the_cells(report);
    for remark in cells.into_iter().chain(remarks::of_the_run(report)) {
        writeln!(out, "{remark}\n")?;
    }
    Ok(())
}

pub(crate) fn write_table(out: &mut impl Write, table: &Table, title: &str) -> io::Result<()> {
    let unit = table.figure.unit;
    let heads = cells::heads(table);
    writeln!(out, "### {title}\n")?;
    writeln!(out, "| {} |", heads.join(" | "))?;
    writeln!(out, "|---|{}", "--:|".repeat(heads.len() - 1))?;
    for line in table.lines.iter().filter(|line| line.takes_part()) {
        write!(out, "| {} |", line.candidate)?;
        for cell in &line.cells {
            write!(out, " {}", cells::cell(cell, unit))?;
            if let Some(spread) = cells::spread(cell, unit) {
                write!(out, " ({spread})")?;
            }
            write!(out, " |")?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}
