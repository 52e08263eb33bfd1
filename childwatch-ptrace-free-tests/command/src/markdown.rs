//! The report as Markdown, for pasting into a document.

use std::io::{self, Write};

use comfy_table::presets::ASCII_MARKDOWN;

use crate::exceptions;
use crate::matrix::Matrix;
use crate::report::Report;
use crate::skips;

/// Writes the same as the text, with the kernel and the sandbox in the heading.
pub(crate) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    writeln!(out, "## Conformance on {}\n", report.place())?;
    if let Some(sandbox) = report.sandbox {
        writeln!(out, "The sandbox: {}.\n", sandbox.stands_for())?;
    }
    for matrix in [Matrix::of_clauses(report), Matrix::of_hosts(report)] {
        if !matrix.is_empty() {
            writeln!(out, "{}\n", matrix.table(ASCII_MARKDOWN))?;
        }
    }
    writeln!(
        out,
        "✓ passed, ✗ failed, – unsupported, \\* the host notices it, as documented\n"
    )?;
    write_failures(out, report)?;
    write_skips(out, report)?;
    write_exceptions(out, report)?;
    writeln!(out, "{}\n", report.extent())?;
    writeln!(out, "{}", report.totals().summary())
}

fn write_failures(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let failures = report.failures();
    if failures.is_empty() {
        return Ok(());
    }
    writeln!(out, "### Failures\n")?;
    for (cell, finding) in failures {
        let (backend, case, clause) = (cell.backend, cell.case.name, cell.case.clause);
        let label = finding.label();
        writeln!(out, "- ✗ {backend}: `{case}` ({clause}): {label}\n")?;
        writeln!(out, "  ~~~~text")?;
        let reason = finding.reason().unwrap_or_default();
        for line in reason.lines().chain([""]).chain(cell.notes.lines()) {
            writeln!(out, "{}", format!("  {line}").trim_end())?;
        }
        writeln!(out, "  ~~~~\n")?;
    }
    Ok(())
}

fn write_skips(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let skips = skips::by_reason(report);
    if skips.is_empty() {
        return Ok(());
    }
    writeln!(out, "### Unsupported\n")?;
    for skips in skips {
        let cases = skips.cases.join("`, `");
        writeln!(out, "- {}: {}: `{cases}`", skips.backend, skips.reason)?;
    }
    writeln!(out)
}

fn write_exceptions(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let exceptions = exceptions::of(report);
    if exceptions.is_empty() {
        return Ok(());
    }
    writeln!(out, "### What hosts notice\n")?;
    for excepted in exceptions {
        let backends = excepted.backends.iter();
        let backends: Vec<_> = backends
            .map(|(backend, reason)| format!("{backend} ({reason})"))
            .collect();
        let (host, when, notices) = (excepted.host, excepted.when, excepted.notices);
        writeln!(out, "- {host}, {when}: {notices}. {}", backends.join(", "))?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn markdown(report: &Report) -> String {
        samples::written(|out| write(out, report).unwrap())
    }

    #[test]
    fn the_matrix_is_a_markdown_table_under_the_kernels_name() {
        let text = markdown(&samples::mixed());
        assert!(text.starts_with("## Conformance on Linux 6.18.0\n\n| clause "));
        assert!(text.contains("\n|----"), "{text}");
        assert!(text.contains("| C3 once "), "{text}");
    }

    #[test]
    fn a_sandbox_stands_in_the_heading() {
        let text = markdown(&samples::sandboxed());
        let heading = "## Conformance on Linux 6.18.0, sandbox no-ptrace\n\nThe sandbox: ";
        assert!(text.starts_with(heading), "{text}");
    }

    #[test]
    fn a_reason_of_many_lines_stays_in_its_item() {
        let text = markdown(&samples::mixed());
        let block = "\n  ~~~~text\n  panicked:\n    left == <right>\n\n  the cell ended\n\n  The notes on the_child_is_waitable.\n  ~~~~\n";
        assert!(text.contains(block), "{text}");
    }

    #[test]
    fn an_exception_is_an_item() {
        let text = markdown(&samples::noticed());
        assert!(text.contains("| signalfd-reader | ✓ *"), "{text}");
        let item = "\n- signalfd-reader, while it watches: while a child is watched, ";
        assert!(text.contains(item), "{text}");
    }

    #[test]
    fn what_is_empty_has_no_heading() {
        assert!(!markdown(&samples::flawless()).contains("###"));
    }
}
