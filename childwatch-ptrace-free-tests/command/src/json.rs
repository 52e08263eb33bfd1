//! The report as JSON: one object a line, one line a run.

use std::io::{self, Write};

use childwatch_ptrace_free_tests::Sandbox;
use serde::Serialize;

use crate::report::Report;

#[derive(Serialize)]
struct Line<'a> {
    case: &'a str,
    clause: String,
    backend: &'a str,
    sandbox: Option<&'static str>,
    outcome: &'static str,
    reason: Option<&'a str>,
    ms: u128,
    /// Counted from 1. Left out unless there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat: Option<usize>,
}

pub(crate) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for line in lines(report) {
        serde_json::to_writer(&mut *out, &line)?;
        writeln!(out)?;
    }
    Ok(())
}

fn lines(report: &Report) -> impl Iterator<Item = Line<'_>> {
    let is_repeated = report.repeats > 1;
    report.cells.iter().flat_map(move |cell| {
        let numbered = (1..).zip(&cell.runs);
        numbered.map(move |(repeat, run)| Line {
            case: cell.case.name,
            clause: cell.case.clause.to_string(),
            backend: cell.backend,
            sandbox: report.sandbox.map(Sandbox::name),
            outcome: run.finding.label(),
            reason: run.finding.reason(),
            ms: run.elapsed.as_millis(),
            repeat: is_repeated.then_some(repeat),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn json(report: &Report) -> Vec<String> {
        let text = samples::written(|out| write(out, report).unwrap());
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_pass_has_no_reason() {
        assert_eq!(
            json(&samples::flawless()),
            [
                r#"{"case":"each_callback_runs_once","clause":"C3","backend":"pidfd","sandbox":null,"outcome":"passed","reason":null,"ms":40}"#
            ]
        );
    }

    #[test]
    fn each_line_names_the_sandbox() {
        let lines = json(&samples::sandboxed());
        assert!(
            lines[0].contains(r#","sandbox":"no-ptrace","#),
            "{}",
            lines[0]
        );
    }

    #[test]
    fn a_reason_of_many_lines_is_still_one_line() {
        let lines = json(&samples::mixed());
        assert_eq!(lines.len(), 6);
        assert!(
            lines[1].contains(r#""outcome":"failed","reason":"panicked:\n  left == <right>\n"#),
            "{}",
            lines[1]
        );
        assert!(lines[2].contains(r#""outcome":"timeout""#));
        assert!(lines[4].contains(r#""outcome":"unsupported""#));
    }

    #[test]
    fn each_repeat_has_its_line() {
        let lines = json(&samples::repeated());
        assert!(lines[0].ends_with(r#""outcome":"passed","reason":null,"ms":40,"repeat":1}"#));
        assert!(
            lines[1].ends_with(r#""outcome":"failed","reason":"it ran twice","ms":40,"repeat":2}"#)
        );
    }
}
