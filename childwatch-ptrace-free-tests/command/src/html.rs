//! The report as a page: one file, without scripts and without anything from elsewhere.
//!
//! The summary and the failures come first. A small matrix shows each clause and each host by
//! backend, and a table for each clause shows each case by backend with its time. Where the
//! page is narrow, a row of such a table becomes a paragraph. The roles in the markup keep it a
//! table for screen readers then.

use std::io::{self, Write};
use std::time::Duration;

use childwatch_ptrace_free_tests::{Case, Clause, HOSTS};

use crate::exceptions;
use crate::finding::Finding;
use crate::matrix::Matrix;
use crate::report::{CellReport, Report};
use crate::seconds::Seconds;
use crate::skips;
use escaped::Escaped;

mod escaped;

const STYLE: &str = include_str!("html/style.css");

/// How many of the slowest cells are listed.
const SLOWEST: usize = 10;

pub(crate) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let place = report.place();
    let (place, summary) = (Escaped(&place), report.totals().summary());
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Conformance on {place}: {summary}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<header>\n<h1>Conformance on {place}</h1>\n<p class=\"soft\">{}</p>",
        Escaped(&report.extent())
    )?;
    if let Some(sandbox) = report.sandbox {
        writeln!(
            out,
            "<p>The sandbox: {}.</p>",
            Escaped(sandbox.stands_for())
        )?;
    }
    write_counts(out, report)?;
    writeln!(out, "</header>\n<main>")?;
    write_failures(out, report)?;
    for (title, matrix) in [
        ("Clauses", Matrix::of_clauses(report)),
        ("Hosts", Matrix::of_hosts(report)),
    ] {
        if !matrix.is_empty() {
            write_matrix(out, title, &matrix)?;
        }
    }
    write_cases(out, report)?;
    write_slowest(out, report)?;
    write_skips(out, report)?;
    write_exceptions(out, report)?;
    writeln!(out, "</main>\n</body>\n</html>")
}

fn write_counts(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let totals = report.totals();
    let class = |count: usize, class| if count > 0 { class } else { "" };
    writeln!(out, "<dl class=\"counts\">")?;
    for (name, count, class) in [
        ("failed", totals.failed, class(totals.failed, "bad")),
        (
            "timed out",
            totals.timed_out,
            class(totals.timed_out, "bad"),
        ),
        ("passed", totals.passed, class(totals.passed, "good")),
        ("unsupported", totals.unsupported, ""),
    ] {
        writeln!(
            out,
            "<div class=\"{class}\"><dt>{name}</dt><dd>{count}</dd></div>"
        )?;
    }
    writeln!(out, "</dl>")
}

fn write_failures(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let failures = report.failures();
    if failures.is_empty() {
        return Ok(());
    }
    writeln!(out, "<section>\n<h2>Failures</h2>")?;
    for (cell, finding) in failures {
        writeln!(
            out,
            "<article id=\"{}\">\n<h3>✗ {}: {}</h3>\n<p class=\"soft\">{} {}, {}, {}</p>\n\
             <pre>{}</pre>\n<details>\n<summary>The clause, the bounds, and how to run it by \
             hand</summary>\n<pre>{}</pre>\n</details>\n</article>",
            anchor(cell),
            Escaped(cell.backend),
            Escaped(cell.case.name),
            cell.case.clause,
            Escaped(cell.case.clause.title()),
            finding.label(),
            Time(cell.elapsed()),
            Escaped(finding.reason().unwrap_or_default()),
            Escaped(&cell.notes)
        )?;
    }
    writeln!(out, "</section>")
}

/// Writes the matrix with a column for each backend. A wide one scrolls by itself.
fn write_matrix(out: &mut impl Write, title: &str, matrix: &Matrix) -> io::Result<()> {
    writeln!(
        out,
        "<section>\n<h2 id=\"{title}\">{title}</h2>\n\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"{title}\">\n\
         <table class=\"overview\">\n<thead><tr><th scope=\"col\">{}</th>",
        matrix.head
    )?;
    for backend in &matrix.backends {
        writeln!(out, "<th scope=\"col\">{}</th>", Escaped(backend))?;
    }
    writeln!(out, "</tr></thead>\n<tbody>")?;
    for row in &matrix.rows {
        write!(out, "<tr><th scope=\"row\">{}</th>", Escaped(&row.name))?;
        for (index, (tally, _)) in row.fields.iter().enumerate() {
            let class = match tally {
                tally if tally.failures() > 0 => "failed",
                tally if tally.passed > 0 => "passed",
                _ => "unsupported",
            };
            write!(
                out,
                "<td class=\"{class}\">{}</td>",
                matrix.field(row, index)
            )?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(
        out,
        "</tbody>\n</table>\n</div>\n<p class=\"soft\">✓ passed, ✗ failed, – unsupported, * the \
         host notices the backend, as documented</p>\n</section>"
    )
}

/// Writes a table of cases for each clause, and one of the hosts. It is open if something in
/// it has failed.
fn write_cases(out: &mut impl Write, report: &Report) -> io::Result<()> {
    writeln!(out, "<section>\n<h2>Cases</h2>")?;
    for clause in Clause::ALL {
        let is_of = |case: &Case| case.clause == *clause && case.host().is_none();
        write_group(out, report, &format!("{clause} {}", clause.title()), is_of)?;
    }
    let is_host = |case: &Case| HOSTS.iter().any(|host| host.name == case.name);
    write_group(out, report, "Hosts", is_host)?;
    writeln!(out, "</section>")
}

fn write_group(
    out: &mut impl Write,
    report: &Report,
    title: &str,
    is_of: impl Fn(&Case) -> bool,
) -> io::Result<()> {
    let cells: Vec<_> = report
        .cells
        .iter()
        .filter(|cell| is_of(cell.case))
        .collect();
    let mut cases: Vec<&Case> = Vec::new();
    for cell in &cells {
        if !cases.iter().any(|case| case.name == cell.case.name) {
            cases.push(cell.case);
        }
    }
    if cases.is_empty() {
        return Ok(());
    }
    let tally: crate::tally::Tally = cells.iter().map(|cell| cell.finding()).collect();
    let open = if tally.failures() > 0 { " open" } else { "" };
    let backends = report.backends();
    writeln!(
        out,
        "<details{open}>\n<summary>{} <span class=\"soft\">{tally}</span></summary>\n\
         <div class=\"scroll\">\n<table class=\"cells\" role=\"table\">\n\
         <thead role=\"rowgroup\"><tr role=\"row\">\
         <th scope=\"col\" role=\"columnheader\">case</th>",
        Escaped(title)
    )?;
    for backend in &backends {
        let backend = Escaped(backend);
        writeln!(
            out,
            "<th scope=\"col\" role=\"columnheader\">{backend}</th>"
        )?;
    }
    writeln!(out, "</tr></thead>\n<tbody role=\"rowgroup\">")?;
    for case in cases {
        let name = Escaped(case.name);
        writeln!(
            out,
            "<tr role=\"row\"><th scope=\"row\" role=\"rowheader\">{name}</th>"
        )?;
        for backend in &backends {
            let is_it =
                |cell: &&&CellReport| cell.backend == *backend && cell.case.name == case.name;
            write_cell(out, backend, cells.iter().find(is_it).copied())?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody>\n</table>\n</div>\n</details>")
}

fn write_cell(out: &mut impl Write, backend: &str, cell: Option<&CellReport>) -> io::Result<()> {
    let backend = Escaped(backend);
    let Some(cell) = cell else {
        return writeln!(out, "<td role=\"cell\" data-backend=\"{backend}\"></td>");
    };
    let finding = cell.finding();
    let label = finding.label();
    write!(
        out,
        "<td role=\"cell\" class=\"{label}\" data-backend=\"{backend}\">"
    )?;
    match &finding {
        Finding::Passed => {
            let noticed = if cell.exceptions.is_empty() { "" } else { " *" };
            write!(out, "✓{noticed}")?;
        }
        Finding::Failed(_) | Finding::TimedOut(_) => {
            write!(out, "<a href=\"#{}\">✗ {label}</a>", anchor(cell))?;
        }
        Finding::Unsupported(reason) => {
            write!(out, "<span title=\"{}\">–</span>", Escaped(reason))?;
        }
    }
    match &finding {
        Finding::Unsupported(_) => write!(out, "<span class=\"hidden\">{label}</span>")?,
        _ => {
            let hidden = if finding.is_failure() { "" } else { label };
            let time = Time(cell.elapsed());
            write!(
                out,
                "<span class=\"hidden\"> {hidden}</span> <span class=\"time\">{time}</span>"
            )?;
        }
    }
    writeln!(out, "</td>")
}

fn write_slowest(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let mut cells: Vec<_> = report.cells.iter().collect();
    cells.sort_by_key(|cell| std::cmp::Reverse(cell.elapsed()));
    writeln!(out, "<section>\n<h2>Slowest</h2>\n<ol>")?;
    for cell in cells.into_iter().take(SLOWEST) {
        writeln!(
            out,
            "<li>{}: {} <span class=\"time\">{}</span></li>",
            Escaped(cell.backend),
            Escaped(cell.case.name),
            Time(cell.elapsed())
        )?;
    }
    let of_repeats = match report.repeats {
        1 => "",
        _ => "<p class=\"soft\">The time of a case is that of all its repeats.</p>\n",
    };
    writeln!(out, "</ol>\n{of_repeats}</section>")
}

fn write_skips(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let skips = skips::by_reason(report);
    if skips.is_empty() {
        return Ok(());
    }
    writeln!(out, "<section>\n<h2>Unsupported</h2>")?;
    for skips in skips {
        writeln!(
            out,
            "<details>\n<summary>{}: {} <span class=\"soft\">{}</span></summary>\n<p>{}</p>\n\
             </details>",
            Escaped(skips.backend),
            Escaped(&skips.reason),
            skips.cases.len(),
            Escaped(&skips.cases.join(", "))
        )?;
    }
    writeln!(out, "</section>")
}

fn write_exceptions(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let exceptions = exceptions::of(report);
    if exceptions.is_empty() {
        return Ok(());
    }
    writeln!(out, "<section>\n<h2>What hosts notice</h2>")?;
    for excepted in exceptions {
        writeln!(
            out,
            "<details>\n<summary>{}, {}: {}</summary>\n<ul>",
            Escaped(excepted.host),
            Escaped(&excepted.when),
            Escaped(excepted.notices)
        )?;
        for (backend, reason) in &excepted.backends {
            writeln!(out, "<li>{}: {}</li>", Escaped(backend), Escaped(reason))?;
        }
        writeln!(out, "</ul>\n</details>")?;
    }
    writeln!(out, "</section>")
}

/// Returns the anchor of a failure. An anchor has no spaces.
fn anchor(cell: &CellReport) -> String {
    let name = format!("{}-{}", cell.backend, cell.case.name);
    Escaped(&name.replace(char::is_whitespace, "-")).to_string()
}

/// Shows a short time in milliseconds, and a longer one in seconds.
struct Time(Duration);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_millis() {
            millis @ ..1_000 => write!(f, "{millis} ms"),
            _ => write!(f, "{}", Seconds(self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn page(report: &Report) -> String {
        samples::written(|out| write(out, report).unwrap())
    }

    #[test]
    fn a_page_needs_nothing_from_elsewhere_and_runs_nothing() {
        let page = page(&samples::mixed());
        for word in [
            "http", "src=", "<link", "<script", "url(", "@import", "onclick",
        ] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn the_failures_stand_before_the_tables_with_their_reasons() {
        let page = page(&samples::mixed());
        let at = |words: &str| {
            page.find(words)
                .unwrap_or_else(|| panic!("{words}:\n{page}"))
        };
        assert!(at("<h2>Failures</h2>") < at("<table"));
        assert!(at("<h3>✗ pidfd: the_child_is_waitable</h3>") < at("<table"));
        at("<pre>panicked:\n  left == &lt;right&gt;\n\nthe cell ended</pre>");
        at("<pre>The notes on the_child_is_waitable.</pre>");
        at("<dt>failed</dt><dd>1</dd>");
        at("<dt>timed out</dt><dd>1</dd>");
        let link = "<a href=\"#pidfd-the_child_is_waitable\">✗ failed</a>";
        assert!(at("<article id=\"pidfd-the_child_is_waitable\">") < at(link));
    }

    #[test]
    fn text_from_outside_is_no_markup() {
        let evil = "</pre><script>alert('&')</script>\u{1b}[31m\"";
        let mut report = samples::mixed();
        report.kernel = format!("Linux {evil}");
        for cell in &mut report.cells {
            cell.notes = evil.to_owned();
            cell.backend = "a\"><b>";
            for run in &mut cell.runs {
                run.finding = match &run.finding {
                    Finding::Passed => Finding::Failed(evil.to_owned()),
                    _ => Finding::Unsupported(evil.to_owned()),
                };
            }
        }
        let page = page(&report);
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(!page.contains('\u{1b}'), "{page}");
        let escaped = "&lt;/pre&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;";
        assert!(page.contains(&format!("<pre>{escaped}")), "{page}");
        assert!(
            page.contains("data-backend=\"a&quot;&gt;&lt;b&gt;\""),
            "{page}"
        );
    }

    #[test]
    fn every_header_of_a_table_says_of_what_it_is_the_header() {
        let page = page(&samples::mixed());
        let headers = page.matches("<th ").count();
        let scoped =
            page.matches("<th scope=\"col\"").count() + page.matches("<th scope=\"row\"").count();
        assert!(headers > 0 && headers == scoped, "{headers}, {scoped}");
        assert_eq!(page.matches("<th>").count(), 0);
    }

    #[test]
    fn every_element_that_opens_closes() {
        for report in [samples::mixed(), samples::noticed(), samples::sandboxed()] {
            let page = page(&report);
            for name in [
                "section", "table", "tr", "td", "th", "details", "div", "article", "pre",
            ] {
                let opened = page.matches(&format!("<{name}>")).count()
                    + page.matches(&format!("<{name} ")).count();
                assert_eq!(
                    opened,
                    page.matches(&format!("</{name}>")).count(),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn what_is_empty_has_no_heading() {
        let page = page(&samples::flawless());
        for heading in ["Failures", "Hosts", "Unsupported", "What hosts notice"] {
            assert!(!page.contains(&format!(">{heading}</h2>")), "{heading}");
        }
        assert!(page.contains("✓<span class=\"hidden\"> passed</span> <span class=\"time\">40 ms"));
    }
}
