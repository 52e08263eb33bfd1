//! The report as JUnit's XML: a suite a backend, a class a clause.

use std::io::Write;

use childwatch_ptrace_free_tests::Sandbox;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use crate::finding::Finding;
use crate::report::{CellReport, Report};

pub(crate) fn write(
    out: &mut impl Write,
    report: &Report,
) -> Result<(), quick_junit::SerializeError> {
    let mut junit = quick_junit::Report::new("childwatch conformance");
    junit.set_time(report.elapsed);
    for backend in report.backends() {
        let cells = report.cells.iter().filter(|cell| cell.backend == backend);
        let mut suite = TestSuite::new(suite_name(backend, report.sandbox));
        suite.add_property(("kernel", report.kernel.as_str()));
        suite.add_test_cases(cells.map(test_case));
        junit.add_test_suite(suite);
    }
    junit.serialize(out)
}

/// Some tools tell suites apart by name only.
fn suite_name(backend: &str, sandbox: Option<Sandbox>) -> String {
    match sandbox {
        None => backend.to_owned(),
        Some(sandbox) => format!("{backend} in sandbox {}", sandbox.name()),
    }
}

fn test_case(cell: &CellReport) -> TestCase {
    let mut case = TestCase::new(cell.case.name, status(&cell.finding()));
    case.set_classname(cell.case.clause.to_string())
        .set_time(cell.elapsed());
    case
}

fn status(finding: &Finding) -> TestCaseStatus {
    match finding {
        Finding::Passed => TestCaseStatus::success(),
        Finding::Failed(reason) | Finding::TimedOut(reason) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_type(finding.label())
                .set_message(reason.lines().next().unwrap_or_default())
                .set_description(reason.as_str());
            status
        }
        Finding::Unsupported(reason) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.as_str());
            status
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn a_suite_is_named_for_its_sandbox_too() {
        let xml = samples::written(|out| write(out, &samples::sandboxed()).unwrap());
        assert!(
            xml.contains(r#"<testsuite name="pidfd in sandbox no-ptrace""#),
            "{xml}"
        );
    }

    #[test]
    fn a_suite_a_backend_with_failures_and_skips() {
        let xml = samples::written(|out| write(out, &samples::mixed()).unwrap());
        for part in [
            r#"<testsuite name="pidfd" tests="3" skipped="0" errors="0" failures="2">"#,
            r#"<testsuite name="simulated" tests="3" skipped="2" errors="0" failures="0">"#,
            r#"<testcase name="each_callback_runs_once" classname="C3" time="0.040"/>"#,
            r#"<failure message="panicked:" type="failed">"#,
            "left == &lt;right&gt;",
            r#"<failure message="killed after 120.0 s" type="timeout">"#,
            r#"<skipped message="its processes exist only in memory"/>"#,
        ] {
            assert!(xml.contains(part), "{part} is missing from\n{xml}");
        }
    }
}
