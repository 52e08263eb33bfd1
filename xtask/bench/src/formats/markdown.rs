//! The report as Markdown, for a document.

use std::io::{self, Write};

use super::numbers;
use crate::remarks;
use crate::report::{self, Report, Table};
use crate::targets;

pub(crate) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for table in report::tables(report) {
        write_table(out, &table, &numbers::whole_title(&table))?;
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
    writeln!(out, "| {} |", targets::HEADS.join(" | "))?;
    writeln!(out, "|{}", "---|".repeat(targets::HEADS.len()))?;
    for target in targets {
        writeln!(out, "| {} |", target.cells().join(" | "))?;
    }
    writeln!(out, "\n{}\n", targets::HOW_JUDGED)
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
    let heads = numbers::heads(table);
    writeln!(out, "### {title}\n")?;
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
