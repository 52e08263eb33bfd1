//! Writes the report as text for terminals and logs.

use std::io::{self, Write};

use comfy_table::presets::UTF8_FULL_CONDENSED;

use crate::exceptions::{self, Excepted};
use crate::finding::Finding;
use crate::matrix::Matrix;
use crate::report::{CellReport, Report};
use crate::skips;

/// Writes the sandbox, if there is one, and the matrices. Every failure, skip and exception
/// follows with its reason. The last line is `N passed, N failed, N skipped`.
pub(crate) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    if let Some(sandbox) = report.sandbox {
        writeln!(out, "Sandbox {}: {}", sandbox.name(), sandbox.stands_for())?;
    }
    for matrix in [Matrix::of_clauses(report), Matrix::of_hosts(report)] {
        if !matrix.is_empty() {
            writeln!(out, "{}", matrix.table(UTF8_FULL_CONDENSED))?;
        }
    }
    writeln!(
        out,
        "✓ passed  ✗ failed  – unsupported  * the host notices it, as documented\n"
    )?;
    for (cell, finding) in report.failures() {
        write_failure(out, cell, &finding)?;
    }
    for skips in skips::by_reason(report) {
        let cases = skips.cases.join(", ");
        writeln!(out, "– {}: {}: {cases}\n", skips.backend, skips.reason)?;
    }
    for excepted in exceptions::of(report) {
        write_exception(out, &excepted)?;
    }
    writeln!(out, "{}: {}", report.place(), report.extent())?;
    writeln!(out, "{}", report.totals().summary())
}

fn write_exception(out: &mut impl Write, excepted: &Excepted) -> io::Result<()> {
    let Excepted {
        host,
        when,
        notices,
        backends,
    } = excepted;
    writeln!(out, "* {host}, {when}: {notices}")?;
    for (backend, reason) in backends {
        writeln!(out, "    {backend}: {reason}")?;
    }
    writeln!(out)
}

fn write_failure(out: &mut impl Write, cell: &CellReport, finding: &Finding) -> io::Result<()> {
    let (backend, case, clause) = (cell.backend, cell.case.name, cell.case.clause);
    let label = finding.label();
    writeln!(out, "✗ {backend}: {case} ({clause}): {label}")?;
    let reason = finding.reason().unwrap_or_default();
    for line in reason.lines().chain([""]).chain(cell.notes.lines()) {
        writeln!(out, "{}", format!("    {line}").trim_end())?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn text(report: &Report) -> String {
        samples::written(|out| write(out, report).unwrap())
    }

    #[test]
    fn every_failure_stands_with_its_whole_reason() {
        let text = text(&samples::mixed());
        let failure = "✗ pidfd: the_child_is_waitable (C7): failed\n    panicked:\n      left == <right>\n\n    the cell ended\n\n    The notes on the_child_is_waitable.\n";
        assert!(text.contains(failure), "{text}");
        let timeout = "✗ pidfd: a_tracers_zombie_is_told (C7): timeout\n    killed after 120.0 s\n";
        assert!(text.contains(timeout), "{text}");
    }

    #[test]
    fn every_skip_stands_with_its_reason() {
        let text = text(&samples::mixed());
        let skips = "– simulated: its processes exist only in memory: the_child_is_waitable, a_tracers_zombie_is_told\n";
        assert!(text.contains(skips), "{text}");
    }

    #[test]
    fn a_sandbox_stands_at_the_head_and_with_the_kernel() {
        let text = text(&samples::sandboxed());
        assert!(text.starts_with("Sandbox no-ptrace: "), "{text}");
        assert!(
            text.contains("\nLinux 6.18.0, sandbox no-ptrace: "),
            "{text}"
        );
    }

    #[test]
    fn every_exception_stands_with_its_reason() {
        let text = text(&samples::noticed());
        let exception = "* signalfd-reader, while it watches: while a child is watched, ";
        assert!(text.contains(exception), "{text}");
        assert!(
            text.contains("\n    sigchld: its handler takes the signals\n"),
            "{text}"
        );
    }

    #[test]
    fn the_last_line_is_the_summary_alone() {
        let text = text(&samples::mixed());
        assert!(
            text.ends_with("12.3 s\n2 passed, 2 failed, 2 skipped\n"),
            "{text}"
        );
    }
}
