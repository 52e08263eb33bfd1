//! The report as text, for a terminal or a log.

use std::io::{self, Write};

use comfy_table::presets::UTF8_FULL_CONDENSED;

use super::finding::Finding;
use super::matrix::Matrix;
use super::report::{CellReport, Report};
use super::skips;

/// The sandbox, if there is one; the matrix, then every failure and skip with its reason. The last line is
/// `N passed, N failed, N skipped`.
pub(crate) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    if let Some(sandbox) = report.sandbox {
        writeln!(out, "Sandbox {}: {}", sandbox.name(), sandbox.stands_for())?;
    }
    writeln!(out, "{}", Matrix::of(report).table(UTF8_FULL_CONDENSED))?;
    writeln!(out, "✓ passed  ✗ failed  – unsupported\n")?;
    for (cell, finding) in report.failures() {
        write_failure(out, cell, &finding)?;
    }
    for skips in skips::by_reason(report) {
        let cases = skips.cases.join(", ");
        writeln!(out, "– {}: {}: {cases}\n", skips.backend, skips.reason)?;
    }
    writeln!(out, "{}: {}", report.place(), report.extent())?;
    writeln!(out, "{}", report.totals().summary())
}

fn write_failure(out: &mut impl Write, cell: &CellReport, finding: &Finding) -> io::Result<()> {
    let (backend, case, clause) = (cell.backend, cell.case.name, cell.case.clause);
    let label = finding.label();
    writeln!(out, "✗ {backend}: {case} ({clause}): {label}")?;
    for line in finding.reason().unwrap_or_default().lines() {
        writeln!(out, "{}", format!("    {line}").trim_end())?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::report::samples;

    fn text(report: &Report) -> String {
        samples::written(|out| write(out, report).unwrap())
    }

    #[test]
    fn every_failure_stands_with_its_whole_reason() {
        let text = text(&samples::mixed());
        let failure = "✗ pidfd: the_child_is_waitable (C7): failed\n    panicked:\n      left == <right>\n\n    the cell ended\n";
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
    fn the_last_line_is_the_summary_alone() {
        let text = text(&samples::mixed());
        assert!(
            text.ends_with("12.3 s\n2 passed, 2 failed, 2 skipped\n"),
            "{text}"
        );
    }
}
